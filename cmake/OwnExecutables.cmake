# What pdroute's own tests, examples and benchmarks are compiled with; users of the library get none of it.
add_library(pdroute_own INTERFACE)
target_link_libraries(pdroute_own INTERFACE pdroute::pdroute)
target_compile_options(pdroute_own INTERFACE
  $<$<CXX_COMPILER_ID:GNU,Clang>:-Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wold-style-cast
  -Wcast-align -Wnon-virtual-dtor -Woverloaded-virtual -Wnull-dereference>
  $<$<CXX_COMPILER_ID:GNU>:-Wduplicated-cond -Wlogical-op -Wuseless-cast>
  # g++ 12 warns about `"text" + std::to_string(n)` when it optimises (its bug 105651).
  $<$<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-restrict>)
option(PDROUTE_WARNINGS_AS_ERRORS "Stop at warnings in pdroute's own executables" OFF)
if(PDROUTE_WARNINGS_AS_ERRORS)
  target_compile_options(pdroute_own INTERFACE -Werror)
endif()
