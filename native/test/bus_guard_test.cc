// Bus errors are made by cutting a mapped file: the pages behind the cut cannot be had any more.
#include "file/bus_guard.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

namespace varve {
namespace {

// A mapped file of four pages of which the last three were cut away.
class CutFile {
 public:
  CutFile() {
    std::string name = ::testing::TempDir() + "varve-test-XXXXXX";
    fd_ = ::mkstemp(name.data());
    ::unlink(name.c_str());  // at once: some of the processes here end without a destructor
    EXPECT_EQ(::ftruncate(fd_, 4 * page_), 0);
    bytes_ = static_cast<uint8_t*>(::mmap(nullptr, 4 * page_, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0));
    EXPECT_EQ(::ftruncate(fd_, page_), 0);
  }
  ~CutFile() {
    ::munmap(bytes_, 4 * page_);
    ::close(fd_);
  }
  uint8_t* good() { return bytes_; }
  uint8_t* gone() { return bytes_ + page_; }
  size_t page() const { return page_; }

 private:
  size_t page_ = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  int fd_ = -1;
  uint8_t* bytes_ = nullptr;
};

TEST(BusGuard, ATouchOfALostPageIsNoticedAndTheProcessLives) {
  CutFile file;
  {
    BusGuard guard(file.good(), file.page());
    std::memset(file.good(), 7, file.page());
    EXPECT_FALSE(guard.faulted());
  }
  {
    BusGuard guard(file.gone(), 2 * file.page());
    std::memset(file.gone(), 7, 2 * file.page());
    EXPECT_TRUE(guard.faulted());
  }
  {
    BusGuard guard(file.gone() + 2 * file.page(), 1);
    EXPECT_EQ(*static_cast<volatile uint8_t*>(file.gone() + 2 * file.page()), 0);
    EXPECT_TRUE(guard.faulted());
  }
  // The next guard on the same thread starts afresh.
  BusGuard guard(file.good(), file.page());
  EXPECT_EQ(file.good()[0], 7);
  EXPECT_FALSE(guard.faulted());
}

TEST(BusGuard, EveryThreadHasItsOwn) {
  CutFile file;
  std::atomic<int> faults{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      uint8_t* page = file.gone() + static_cast<size_t>(t) * file.page();
      BusGuard guard(page, file.page());
      page[10] = 1;
      faults += guard.faulted() ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(faults, 3);
}

// The death tests run in processes of their own, since they change what SIGBUS does.

void leave(int) { ::_exit(42); }

void leave_with_address(int, siginfo_t* info, void*) { ::_exit(info->si_addr == nullptr ? 43 : 44); }

TEST(BusGuardDeathTest, WithoutAGuardTheProcessEndsAsBefore) {
  // A sanitizer has SIGBUS itself and turns it into a report; what is shown is that ours does not swallow it.
  EXPECT_DEATH(
      {
        CutFile file;
        {
          BusGuard guard(file.good(), 1);
        }
        *static_cast<volatile uint8_t*>(file.gone()) = 1;
        ::_exit(0);
      },
      "");
}

TEST(BusGuardDeathTest, AnAddressOutsideTheGuardedRangeIsNotOurs) {
  EXPECT_EXIT(
      {
        ::signal(SIGBUS, leave);
        CutFile file;
        BusGuard guard(file.gone(), file.page());
        *static_cast<volatile uint8_t*>(file.gone() + file.page()) = 1;
        ::_exit(0);
      },
      ::testing::ExitedWithCode(42), "");
}

TEST(BusGuardDeathTest, AnotherThreadsGuardDoesNotHelp) {
  EXPECT_EXIT(
      {
        ::signal(SIGBUS, leave);
        CutFile file;
        BusGuard guard(file.gone(), file.page());
        std::thread other([&] { *static_cast<volatile uint8_t*>(file.gone()) = 1; });
        other.join();
        ::_exit(0);
      },
      ::testing::ExitedWithCode(42), "");
}

TEST(BusGuardDeathTest, ThePreviousHandlerGetsTheFaultingAddress) {
  EXPECT_EXIT(
      {
        struct sigaction action = {};
        action.sa_sigaction = leave_with_address;
        action.sa_flags = SA_SIGINFO;
        ::sigaction(SIGBUS, &action, nullptr);
        CutFile file;
        {
          BusGuard guard(file.good(), 1);
        }
        *static_cast<volatile uint8_t*>(file.gone()) = 1;
        ::_exit(0);
      },
      ::testing::ExitedWithCode(44), "");
}

TEST(BusGuardDeathTest, ASignalThatWasSentGoesToThePreviousHandlerEvenUnderAGuard) {
  EXPECT_EXIT(
      {
        ::signal(SIGBUS, leave);
        CutFile file;
        BusGuard guard(file.gone(), file.page());
        ::kill(::getpid(), SIGBUS);
        ::_exit(0);
      },
      ::testing::ExitedWithCode(42), "");
}

TEST(BusGuardDeathTest, ASentSignalThatWasIgnoredIsStillIgnored) {
  EXPECT_EXIT(
      {
        ::signal(SIGBUS, SIG_IGN);
        CutFile file;
        BusGuard guard(file.gone(), file.page());
        ::kill(::getpid(), SIGBUS);
        ::_exit(5);
      },
      ::testing::ExitedWithCode(5), "");
}

TEST(BusGuardDeathTest, ASentSignalEndsTheProcessWhereItDidBefore) {
  EXPECT_EXIT(
      {
        ::signal(SIGBUS, SIG_DFL);
        {
          BusGuard guard(nullptr, 0);
        }
        ::kill(::getpid(), SIGBUS);
        ::_exit(0);
      },
      ::testing::KilledBySignal(SIGBUS), "");
}

}  // namespace
}  // namespace varve
