// A check that ends the program and says where and in which case it failed.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace heapgraph::test {

// What is being tested right now, e.g. the CPython version and the seed of a fuzzing round.
inline char current_case[160] = "";

}  // namespace heapgraph::test

#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            std::fprintf(stderr, "%s:%d: not true: %s  [%s]\n", __FILE__, __LINE__, #condition, \
                         heapgraph::test::current_case); \
            std::_Exit(EXIT_FAILURE); \
        } \
    } while (false)

// For numbers: shows both sides.
#define CHECK_EQUAL(left, right) \
    do { \
        const auto left_value = static_cast<long long>(left); \
        const auto right_value = static_cast<long long>(right); \
        if (left_value != right_value) { \
            std::fprintf(stderr, "%s:%d: %s is %lld, but %s is %lld  [%s]\n", __FILE__, __LINE__, \
                         #left, left_value, #right, right_value, heapgraph::test::current_case); \
            std::_Exit(EXIT_FAILURE); \
        } \
    } while (false)
