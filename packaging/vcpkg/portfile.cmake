# SPDX-License-Identifier: Apache-2.0
# An overlay port that takes the sources from the checkout it lies in:
#
#     vcpkg install pdroute --overlay-ports=<checkout>/packaging/vcpkg
#
# In a registry, vcpkg_from_github() sets SOURCE_PATH instead.
set(SOURCE_PATH "${CMAKE_CURRENT_LIST_DIR}/../..")
set(VCPKG_BUILD_TYPE release)  # header-only

vcpkg_cmake_configure(
  SOURCE_PATH "${SOURCE_PATH}"
  OPTIONS
    -DPDROUTE_BUILD_TESTS=OFF
    -DPDROUTE_BUILD_EXAMPLES=OFF
    -DPDROUTE_BUILD_BENCHMARKS=OFF
    -DPDROUTE_INSTALL=ON
)
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(CONFIG_PATH share/cmake/pdroute)
vcpkg_fixup_pkgconfig()

file(INSTALL "${CMAKE_CURRENT_LIST_DIR}/usage" DESTINATION "${CURRENT_PACKAGES_DIR}/share/${PORT}")
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")
