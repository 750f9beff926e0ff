# SPDX-License-Identifier: Apache-2.0
# What a program prints must be metrics that promtool has nothing to say about:
#   cmake -D PROGRAM=path -D PROMTOOL=path -P promtool.cmake
if(NOT PROMTOOL)
  message("skipped: promtool is not installed (Debian: apt-get install prometheus)")
  return()
endif()
execute_process(COMMAND ${PROGRAM} COMMAND ${PROMTOOL} check metrics
                RESULTS_VARIABLE exits OUTPUT_VARIABLE said ERROR_VARIABLE said)
if(NOT exits STREQUAL "0;0" OR NOT said STREQUAL "")
  message(FATAL_ERROR "exit codes of the program and of promtool: ${exits}\n${said}")
endif()
