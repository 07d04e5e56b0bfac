// The kernels under the sanitizers: random graphs against the definition, and hostile arguments.
//
// Every buffer is a vector of exactly the promised length, so that one entry too far is reported.
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

#include "graph_kernels.h"

namespace {

using Ids = std::vector<std::uint32_t>;
using Sizes = std::vector<std::uint64_t>;

#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            std::fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
            std::exit(EXIT_FAILURE); \
        } \
    } while (false)

struct TestGraph {
    Sizes offsets;
    Ids targets;
    std::vector<std::uint8_t> skip;
    Ids roots;
    Sizes sizes;

    [[nodiscard]] std::uint32_t count() const { return static_cast<std::uint32_t>(sizes.size()); }
    [[nodiscard]] hg_graph raw() const {
        return {count(), targets.size(), offsets.data(), targets.data(),
                skip.empty() ? nullptr : skip.data()};
    }
};

TestGraph random_graph(std::mt19937 &random) {
    const auto below = [&random](std::uint32_t limit) {
        return static_cast<std::uint32_t>(random() % limit);
    };
    TestGraph graph;
    const std::uint32_t count = 1 + below(18);
    graph.offsets.push_back(0);
    for (std::uint32_t object = 0; object < count; ++object) {
        for (std::uint32_t left = below(4); left > 0; --left) graph.targets.push_back(below(count));
        graph.offsets.push_back(graph.targets.size());
        graph.sizes.push_back(below(1000));
    }
    if (below(2) == 0) {
        for (std::size_t i = 0; i < graph.targets.size(); ++i) graph.skip.push_back(below(5) == 0);
    }
    for (std::uint32_t left = below(4); left > 0; --left) graph.roots.push_back(below(count));
    return graph;
}

std::vector<bool> reached_without(const TestGraph &graph, std::uint32_t removed) {
    std::vector<bool> reached(graph.count(), false);
    Ids pending;
    const auto discover = [&](std::uint32_t object) {
        if (object == removed || reached[object]) return;
        reached[object] = true;
        pending.push_back(object);
    };
    for (const std::uint32_t root : graph.roots) discover(root);
    while (!pending.empty()) {
        const std::uint32_t object = pending.back();
        pending.pop_back();
        for (std::uint64_t edge = graph.offsets[object]; edge < graph.offsets[object + 1]; ++edge) {
            if (graph.skip.empty() || graph.skip[edge] == 0) discover(graph.targets[edge]);
        }
    }
    return reached;
}

void check_dominators(const TestGraph &graph, const Ids &idom, const Sizes &retained) {
    const std::vector<bool> alive = reached_without(graph, graph.count());
    for (std::uint32_t object = 0; object < graph.count(); ++object) {
        if (!alive[object]) {
            CHECK(idom[object] == HG_UNREACHABLE);
            CHECK(retained[object] == 0);
            continue;
        }
        const std::vector<bool> left = reached_without(graph, object);
        std::uint64_t lost = 0;
        for (std::uint32_t other = 0; other < graph.count(); ++other) {
            if (!alive[other] || left[other]) continue;
            lost += graph.sizes[other];
            // `object` dominates `other`: it must be on the chain of immediate dominators.
            std::uint32_t above = other;
            while (above != object && above < graph.count()) above = idom[above];
            CHECK(above == object);
        }
        CHECK(retained[object] == lost);
    }
}

void check_searches(const TestGraph &graph) {
    const hg_graph raw = graph.raw();
    const std::uint32_t count = graph.count();
    const std::vector<bool> alive = reached_without(graph, count);
    const Sizes groups{0, graph.roots.size() / 2, graph.roots.size()};
    Ids parent(count), distance(count), order(count);
    std::uint64_t reached = 0;
    CHECK(hg_breadth_first(&raw, graph.roots.data(), groups.data(), 2, parent.data(),
                           distance.data(), order.data(), &reached) == HG_OK);
    std::vector<std::uint8_t> mark(count);
    std::uint64_t marked = 0;
    CHECK(hg_reachable(&raw, graph.roots.data(), graph.roots.size(), mark.data(), &marked) ==
          HG_OK);
    CHECK(reached == marked);
    for (std::uint32_t object = 0; object < count; ++object) {
        CHECK(alive[object] == (mark[object] == 1));
        CHECK(alive[object] == (parent[object] != HG_UNREACHABLE));
        if (!alive[object]) continue;
        const bool is_root = parent[object] == HG_VIRTUAL_ROOT;
        CHECK(distance[object] == (is_root ? 0 : distance[parent[object]] + 1));
    }
    Sizes behind(count, 1);
    CHECK(hg_sum_to_parents(count, reached, order.data(), parent.data(), behind.data()) == HG_OK);
    std::uint64_t total = 0;
    for (std::uint32_t object = 0; object < count; ++object) {
        if (parent[object] == HG_VIRTUAL_ROOT) total += behind[object];
    }
    CHECK(total == reached);
}

void check_orders(const TestGraph &graph, const Ids &idom, const Sizes &retained) {
    const hg_graph raw = graph.raw();
    const std::uint32_t count = graph.count();
    Sizes offsets(count + 1), edges(graph.targets.size());
    Ids sources(graph.targets.size()), counts(count);
    CHECK(hg_reverse_references(&raw, offsets.data(), sources.data(), edges.data()) == HG_OK);
    CHECK(hg_count_in_references(count, graph.targets.size(), graph.targets.data(), nullptr,
                                 counts.data()) == HG_OK);
    for (std::uint32_t object = 0; object < count; ++object) {
        CHECK(counts[object] == offsets[object + 1] - offsets[object]);
        for (std::uint64_t row = offsets[object]; row < offsets[object + 1]; ++row) {
            CHECK(graph.targets[edges[row]] == object);
            CHECK(graph.offsets[sources[row]] <= edges[row]);
            CHECK(edges[row] < graph.offsets[sources[row] + 1]);
        }
    }
    Ids child_offsets(count + 2), children(count), preorder(count), position(count), sizes(count);
    std::uint64_t reached = 0;
    CHECK(hg_dominator_children(count, idom.data(), child_offsets.data(), children.data()) ==
          HG_OK);
    CHECK(hg_dominator_preorder(count, idom.data(), child_offsets.data(), children.data(),
                                preorder.data(), position.data(), sizes.data(), &reached) == HG_OK);
    // One group of all objects: its topmost members are the children of the virtual root.
    const Ids one_group(count, 0);
    Sizes totals(1, 0);
    CHECK(hg_sum_topmost(count, reached, preorder.data(), sizes.data(), one_group.data(), 1,
                         retained.data(), totals.data()) == HG_OK);
    std::uint64_t alive_size = 0;
    for (std::uint32_t object = 0; object < count; ++object) {
        if (idom[object] != HG_UNREACHABLE) alive_size += graph.sizes[object];
    }
    CHECK(totals[0] == alive_size);
}

void check_random_graphs() {
    std::mt19937 random(20240611);
    for (int round = 0; round < 5000; ++round) {
        const TestGraph graph = random_graph(random);
        const hg_graph raw = graph.raw();
        Ids idom(graph.count());
        Sizes retained(graph.count());
        CHECK(hg_dominator_tree(&raw, graph.roots.data(), graph.roots.size(), graph.sizes.data(),
                                idom.data(), retained.data()) == HG_OK);
        check_dominators(graph, idom, retained);
        check_searches(graph);
        check_orders(graph, idom, retained);
    }
}

int dominators_of(const TestGraph &graph) {
    const hg_graph raw = graph.raw();
    Ids idom(graph.count());
    Sizes retained(graph.count());
    return hg_dominator_tree(&raw, graph.roots.data(), graph.roots.size(), graph.sizes.data(),
                             idom.data(), retained.data());
}

void check_hostile_arguments() {
    CHECK(dominators_of({{0}, {}, {}, {}, {}}) == HG_OK);
    CHECK(dominators_of({{0, 1, 1}, {2}, {}, {0}, {1, 1}}) == HG_TARGET_OUT_OF_RANGE);
    CHECK(dominators_of({{0, 1, 1}, {HG_VIRTUAL_ROOT}, {}, {0}, {1, 1}}) == HG_TARGET_OUT_OF_RANGE);
    CHECK(dominators_of({{0, 1, 1}, {1}, {}, {2}, {1, 1}}) == HG_ROOT_OUT_OF_RANGE);
    CHECK(dominators_of({{0, UINT64_MAX, 1}, {1}, {}, {0}, {1, 1}}) == HG_BAD_OFFSETS);
    CHECK(dominators_of({{1, 1, 1}, {1}, {}, {0}, {1, 1}}) == HG_BAD_OFFSETS);
    CHECK(dominators_of({{0, 1, 2}, {1}, {}, {0}, {1, 1}}) == HG_BAD_OFFSETS);
    const Sizes no_offsets{0};
    const hg_graph too_many{HG_UNREACHABLE, 0, no_offsets.data(), nullptr, nullptr};
    CHECK(hg_reverse_references(&too_many, nullptr, nullptr, nullptr) == HG_TOO_MANY_OBJECTS);
    const Ids wild_tree{HG_VIRTUAL_ROOT, 7};
    Ids child_offsets(4), children(2);
    CHECK(hg_dominator_children(2, wild_tree.data(), child_offsets.data(), children.data()) ==
          HG_BAD_TREE);
}

}  // namespace

int main() {
    CHECK(hg_kernel_version() == HG_KERNEL_VERSION);
    check_random_graphs();
    check_hostile_arguments();
    std::puts("graph kernels: all checks passed");
    return EXIT_SUCCESS;
}
