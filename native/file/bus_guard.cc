#include "file/bus_guard.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace varve {
namespace {

struct sigaction g_previous;  // written once, before our handler is installed
uintptr_t g_page_bytes = 4096;

// Whether returning from the handler runs into the same fault again: not for a signal that was sent by kill(), nor for
// the notice of a memory failure that nobody has touched yet.
bool refaults(const siginfo_t* info) {
#if defined(BUS_MCEERR_AO)
  if (info->si_code == BUS_MCEERR_AO) return false;
#endif
  return info->si_code > 0;
}

void pass_on(int signal_number, siginfo_t* info, void* context) {
  if ((g_previous.sa_flags & SA_SIGINFO) != 0 && g_previous.sa_sigaction != nullptr) {
    g_previous.sa_sigaction(signal_number, info, context);
    return;
  }
  if (g_previous.sa_handler == SIG_IGN && !refaults(info)) return;  // ignored as before
  if (g_previous.sa_handler != SIG_DFL && g_previous.sa_handler != SIG_IGN) {
    g_previous.sa_handler(signal_number);
    return;
  }
  // The default. A faulting instruction runs again on return and ends the process where it stands; a signal that
  // was sent has to be sent again.
  struct sigaction standard = {};
  standard.sa_handler = SIG_DFL;
  ::sigaction(signal_number, &standard, nullptr);
  if (!refaults(info)) ::raise(signal_number);
}

void on_bus_error(int signal_number, siginfo_t* info, void* context) {
  const uintptr_t address = reinterpret_cast<uintptr_t>(info->si_addr);
  const bool ours = refaults(info) && address >= t_guarded.start && address < t_guarded.end;
  if (ours) {
    const int saved_errno = errno;
    void* page = reinterpret_cast<void*>(address & ~(g_page_bytes - 1));
    void* mapped = ::mmap(page, g_page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    errno = saved_errno;
    if (mapped != MAP_FAILED) {
      t_guarded.faulted = true;
      return;
    }
  }
  pass_on(signal_number, info, context);
}

bool install_handler() {
  g_page_bytes = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  if (::sigaction(SIGBUS, nullptr, &g_previous) != 0) return false;
  struct sigaction ours = g_previous;  // keeps the previous handler's mask and flags, since it may be called from ours
  ours.sa_sigaction = on_bus_error;
  ours.sa_flags = (ours.sa_flags & ~SA_RESETHAND) | SA_SIGINFO | SA_ONSTACK;
  return ::sigaction(SIGBUS, &ours, nullptr) == 0;
}

}  // namespace

thread_local constinit GuardedRange t_guarded;

void BusGuard::install() {
  static const bool installed = install_handler();
  check(installed, "no handler for bus errors could be installed");
  t_guarded.handled = true;
}

}  // namespace varve
