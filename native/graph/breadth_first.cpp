// Shortest paths from groups of roots, and plain reachability.
#include <algorithm>
#include <vector>

#include "searches.h"

namespace heapgraph {

namespace {

constexpr std::uint64_t kFarAhead = 16;
constexpr std::uint64_t kNearAhead = 8;

void prefetch_queue(const CsrGraph &graph, const ObjectId *queue, std::uint64_t head,
                    std::uint64_t tail) {
    if (tail - head <= kFarAhead) return;
    graph.prefetch_offsets(queue[head + kFarAhead]);
    graph.prefetch_targets(graph.begin(queue[head + kNearAhead]));
}

}  // namespace

std::uint64_t breadth_first(const CsrGraph &graph, const ObjectId *roots,
                            const std::uint64_t *group_offsets, std::uint64_t group_count,
                            const PathArrays &paths) {
    std::fill_n(paths.parent, graph.object_count(), HG_UNREACHABLE);
    std::fill_n(paths.distance, graph.object_count(), HG_UNREACHABLE);
    std::uint64_t head = 0;
    std::uint64_t tail = 0;
    const auto discover = [&](ObjectId object, ObjectId parent, std::uint32_t distance) {
        if (paths.parent[object] != HG_UNREACHABLE) return;
        paths.parent[object] = parent;
        paths.distance[object] = distance;
        paths.order[tail++] = object;
    };
    for (std::uint64_t group = 0; group < group_count; ++group) {
        for (std::uint64_t i = group_offsets[group]; i < group_offsets[group + 1]; ++i) {
            discover(roots[i], HG_VIRTUAL_ROOT, 0);
        }
        while (head < tail) {
            prefetch_queue(graph, paths.order, head, tail);
            const ObjectId object = paths.order[head++];
            const std::uint32_t distance = paths.distance[object] + 1;
            const EdgeIndex end = graph.end(object);
            for (EdgeIndex edge = graph.begin(object); edge < end; ++edge) {
                if (graph.is_live(edge)) discover(graph.target(edge), object, distance);
            }
        }
    }
    return tail;
}

std::uint64_t mark_reachable(const CsrGraph &graph, const ObjectId *roots, std::uint64_t root_count,
                             std::uint8_t *mark) {
    std::vector<ObjectId> stack;
    std::uint64_t reached = 0;
    const auto discover = [&](ObjectId object) {
        if (mark[object] != 0) return;
        mark[object] = 1;
        ++reached;
        if (graph.begin(object) != graph.end(object)) stack.push_back(object);
    };
    for (std::uint64_t i = 0; i < root_count; ++i) discover(roots[i]);
    while (!stack.empty()) {
        const ObjectId object = stack.back();
        stack.pop_back();
        const EdgeIndex end = graph.end(object);
        for (EdgeIndex edge = graph.begin(object); edge < end; ++edge) {
            if (graph.is_live(edge)) discover(graph.target(edge));
        }
    }
    return reached;
}

}  // namespace heapgraph
