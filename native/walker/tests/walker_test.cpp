// The walker over heaps built in this process: exact on sound ones, unharmed by damaged ones.
//
//     walker_test [all | memory | MINOR [SEED [ROUNDS]]]
//
// MINOR: one of the versions below; memory: what asks for none, such as blocks and their owners.
// ROUNDS of random damage per version: the default is the short form that CI runs, a process for
// each version and one for memory; `walker_test all 1 4000` is the long one, with any other seed.
#include <sys/resource.h>
#include <unistd.h>

#include <string_view>
#include <vector>

#include "check.hpp"
#include "tests.hpp"

#if defined(__SANITIZE_ADDRESS__)
// A walk that eats memory must fail, not the machine.
extern "C" const char *__asan_default_options() { return "hard_rss_limit_mb=2048:detect_leaks=1"; }
#endif

namespace {

constexpr unsigned kTimeLimit = 300;  // seconds: the signal ends a walk that hangs
constexpr rlim_t kMemoryLimit = rlim_t{4} << 30;

struct Version {
    int minor, micro;
};
// Of each shape of attributes one: dicts, values beside the instance, and inside of it.
constexpr Version kVersions[] = {{9, 18}, {12, 1}, {14, 5}};

constexpr unsigned kSeed = 20240611;
constexpr int kRounds = 1500;

void limit_resources() {
#if !defined(__SANITIZE_ADDRESS__)
    const rlimit memory{kMemoryLimit, kMemoryLimit};
    CHECK(setrlimit(RLIMIT_AS, &memory) == 0);
#endif
    alarm(kTimeLimit);
}

}  // namespace

int main(int argc, char **argv) {
    using namespace heapgraph::test;
    const std::string_view wanted = argc > 1 ? argv[1] : "all";
    const int minor = std::atoi(wanted.data());
    const unsigned seed = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : kSeed;
    const int rounds = argc > 3 ? std::atoi(argv[3]) : kRounds;
    std::vector<Version> versions;
    for (const Version version : kVersions) {
        if (wanted == "all" || minor == version.minor) versions.push_back(version);
    }
    CHECK(wanted == "memory" || !versions.empty());
    // These reserve more address space than the limit, and measure for themselves.
    if (wanted == "all" || wanted == "memory") {
        test_images();
        test_blocks();
        test_slabs(seed);
        test_owners(seed);
        test_conflicts();
    }
    for (const Version version : versions) test_budget(read_layout(version.minor, version.micro));
    limit_resources();
    for (const Version version : versions) {
        const LayoutTable table = read_layout(version.minor, version.micro);
        std::snprintf(current_case, sizeof current_case, "3.%d", version.minor);
        test_objects(table);
        test_borders(table);
        test_hostile_structures(table);
        test_random_damage(table, seed, rounds);
        std::snprintf(current_case, sizeof current_case, "3.%d, deep nesting", version.minor);
        test_deep_nesting(table);
    }
    std::puts("walker: all checks passed");
    return EXIT_SUCCESS;
}
