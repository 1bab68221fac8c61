#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace varve {

void check_failed(const char* message, const std::source_location& where) {
  std::fprintf(stderr, "varve: broken promise at %s:%u (%s): %s\n", where.file_name(), where.line(),
               where.function_name(), message);
  std::abort();
}

}  // namespace varve
