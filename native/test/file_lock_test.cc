#include "file/file_lock.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

#include "file/faulty_kernel.h"
#include "test/kernels.h"

namespace varve {
namespace {

class FileLockTest : public OnEachKernel {
 protected:
  Status acquire(FileLock* lock, const std::string& note) {
    return FileLock::acquire(kernel(), file(".lock"), note, lock, &holder_);
  }
  bool held() {
    bool answer = false;
    EXPECT_TRUE(FileLock::held(kernel(), file(".lock"), &answer).ok());
    return answer;
  }
  std::string holder_;
};

TEST_P(FileLockTest, ASecondOpenInTheSameProcessIsRefusedAndToldWhoHasIt) {
  FileLock first;
  FileLock second;
  ASSERT_TRUE(acquire(&first, "pid 1 on host").ok());
  EXPECT_EQ(acquire(&second, "pid 2").code, Code::kLocked);
  EXPECT_EQ(holder_, "pid 1 on host");
  EXPECT_FALSE(second.is_held());
  ASSERT_TRUE(first.release().ok());
  ASSERT_TRUE(acquire(&second, "2").ok());
  EXPECT_EQ(acquire(&first, "1").code, Code::kLocked);
  EXPECT_EQ(holder_, "2");  // nothing is left of a longer note before
}

TEST_P(FileLockTest, ClosingAnotherOpenOfTheFileDoesNotFreeIt) {
  FileLock first;
  FileLock second;
  ASSERT_TRUE(acquire(&first, "one").ok());
  {
    File other;
    ASSERT_TRUE(File::open(kernel(), file(".lock"), O_RDWR, &other).ok());
  }
  EXPECT_EQ(acquire(&second, "two").code, Code::kLocked);
}

TEST_P(FileLockTest, AskingWhetherItIsHeldChangesNothing) {
  EXPECT_FALSE(held());
  FileFacts facts;
  EXPECT_EQ(kernel().stat(file(".lock").c_str(), &facts), -ENOENT);
  FileLock lock;
  ASSERT_TRUE(acquire(&lock, "one").ok());
  EXPECT_TRUE(held());
  EXPECT_TRUE(held());
  ASSERT_TRUE(lock.release().ok());
  EXPECT_FALSE(held());
}

TEST_P(FileLockTest, AFileThatWasReplacedBetweenOpeningAndLockingIsNotTheLock) {
  // The kernel below replaces the file during the first lock().
  class Replacing : public FaultyKernel {
   public:
    Replacing(Kernel& under, std::string path) : FaultyKernel(under), below_(under), path_(std::move(path)) {}
    int lock(int fd) override {
      if (std::exchange(replace_, false)) {
        below_.unlink(path_.c_str());
        below_.close(below_.open(path_.c_str(), O_RDWR | O_CREAT, 0644));
      }
      return below_.lock(fd);
    }
    Kernel& below_;
    std::string path_;
    bool replace_ = true;
  };
  Replacing replacing(kernel(), file(".lock"));
  FileLock first;
  ASSERT_TRUE(FileLock::acquire(replacing, file(".lock"), "one", &first, &holder_).ok());
  FileLock second;
  EXPECT_EQ(acquire(&second, "two").code, Code::kLocked);  // so `first` holds the file that others find
  EXPECT_EQ(holder_, "one");
}

TEST_P(FileLockTest, AFullDiskOnlyCostsTheNote) {
  if (memory() == nullptr) GTEST_SKIP() << "needs a disk of a chosen size";
  memory()->set_capacity_bytes(0);
  FileLock lock;
  EXPECT_TRUE(acquire(&lock, "note").ok());
  EXPECT_TRUE(lock.is_held());
}

TEST_P(FileLockTest, AFolderWithoutPermissionOrAMissingOneIsAnError) {
  FileLock lock;
  EXPECT_EQ(FileLock::acquire(kernel(), file("missing/.lock"), "", &lock, &holder_).code, Code::kNotFound);
}

VARVE_ON_EACH_KERNEL(FileLockTest);

// Runs `body` in a child process; answers its exit code, or -1 when it was killed.
template <typename Body>
int in_child(Body&& body) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(body());
  int state = 0;
  ::waitpid(pid, &state, 0);
  return WIFEXITED(state) ? WEXITSTATUS(state) : -1;
}

TEST(FileLockAcrossProcesses, AnotherProcessIsRefusedUntilTheHolderIsGoneHoweverItGoes) {
  TestFolder folder;
  const std::string path = folder.file(".lock");
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t holder = ::fork();
  if (holder == 0) {
    FileLock lock;
    std::string ignored;
    const bool ok = FileLock::acquire(real_kernel(), path, "the child", &lock, &ignored).ok();
    (void)!::write(ready[1], ok ? "y" : "n", 1);
    for (;;) ::pause();
  }
  char answer = 0;
  ASSERT_EQ(::read(ready[0], &answer, 1), 1);
  ASSERT_EQ(answer, 'y');
  FileLock lock;
  std::string who;
  EXPECT_EQ(FileLock::acquire(real_kernel(), path, "the parent", &lock, &who).code, Code::kLocked);
  EXPECT_EQ(who, "the child");
  ::kill(holder, SIGKILL);
  ::waitpid(holder, nullptr, 0);
  EXPECT_TRUE(FileLock::acquire(real_kernel(), path, "the parent", &lock, &who).ok());
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST(FileLockAcrossProcesses, AForkedChildCannotTakeItASecondTime) {
  TestFolder folder;
  const std::string path = folder.file(".lock");
  FileLock lock;
  std::string who;
  ASSERT_TRUE(FileLock::acquire(real_kernel(), path, "the parent", &lock, &who).ok());
  EXPECT_EQ(in_child([&] {
              FileLock mine;
              std::string ignored;
              const Status status = FileLock::acquire(real_kernel(), path, "the child", &mine, &ignored);
              return status.code == Code::kLocked && ignored == "the parent" ? 7 : 1;
            }),
            7);
}

// As one that is just being started has: between its fork and its exec.
TEST(FileLockAcrossProcesses, ItFallsWhenItIsReleasedThoughAnotherProcessHasADuplicateOfTheDescriptor) {
  TestFolder folder;
  const std::string path = folder.file(".lock");
  FileLock lock;
  std::string who;
  ASSERT_TRUE(FileLock::acquire(real_kernel(), path, "first", &lock, &who).ok());
  const pid_t child = ::fork();
  if (child == 0) {
    for (;;) ::pause();
  }
  ASSERT_TRUE(lock.release().ok());
  {
    FileLock scoped;
    EXPECT_TRUE(FileLock::acquire(real_kernel(), path, "second", &scoped, &who).ok());
  }
  EXPECT_TRUE(FileLock::acquire(real_kernel(), path, "third", &lock, &who).ok());
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
}

// Java's FileChannel.lock() is a plain record lock over the whole file: Kafka and we must see each other.
TEST(FileLockAcrossProcesses, AnOrdinaryRecordLockOfAnotherProcessConflictsBothWays) {
  TestFolder folder;
  const std::string path = folder.file(".lock");
  const auto plain_lock = [&] {
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    struct flock request = {};
    request.l_type = F_WRLCK;
    request.l_whence = SEEK_SET;
    return ::fcntl(fd, F_SETLK, &request) == 0;
  };
  FileLock lock;
  std::string who;
  ASSERT_TRUE(FileLock::acquire(real_kernel(), path, "varve", &lock, &who).ok());
  EXPECT_EQ(in_child([&] { return plain_lock() ? 1 : 7; }), 7);
  ASSERT_TRUE(lock.release().ok());
  EXPECT_EQ(in_child([&] { return plain_lock() ? 7 : 1; }), 7);
  ASSERT_TRUE(plain_lock());
  EXPECT_EQ(FileLock::acquire(real_kernel(), path, "varve", &lock, &who).code, Code::kLocked);
}

}  // namespace
}  // namespace varve
