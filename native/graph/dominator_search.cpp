// Leaves, the depth-first search, and what each reference means in its numbers.
#include <algorithm>

#include "dominator_work.h"

namespace heapgraph {

namespace {

// How far ahead memory is asked for: far enough to hide a miss, near enough to be still cached.
constexpr std::size_t kFarAhead = 12;
constexpr std::size_t kNearAhead = 6;
constexpr std::size_t kNextAhead = 3;
constexpr EdgeIndex kTargetsAhead = 16;

struct Pending {
    ObjectId object;
    Number referrer;
};

bool has_inner_reference(const DominatorWork &work, ObjectId object) {
    const CsrGraph &graph = work.graph;
    for (EdgeIndex edge = graph.begin(object); edge < graph.end(object); ++edge) {
        if (graph.is_live(edge) && !work.roots.contains(graph.target(edge))) return true;
    }
    return false;
}

Number assign_number(DominatorWork &work, ObjectId object, Number referrer) {
    const auto number = static_cast<Number>(work.object_of.size());
    work.object_of.push_back(object);
    work.parent.push_back(referrer);
    work.slot[object] = number;
    return number;
}

void push_referents(const DominatorWork &work, const ObjectSet &seen, ObjectId object,
                    Number number, std::vector<Pending> &stack) {
    const CsrGraph &graph = work.graph;
    const EdgeIndex first = graph.begin(object);
    for (EdgeIndex edge = graph.end(object); edge > first; --edge) {
        const ObjectId target = graph.target(edge - 1);
        if (!seen.contains(target) && graph.is_live(edge - 1)) stack.push_back({target, number});
    }
}

void prefetch_below_top(const CsrGraph &graph, const std::vector<Pending> &stack) {
    const std::size_t height = stack.size();
    if (height <= kFarAhead) return;
    graph.prefetch_offsets(stack[height - 1 - kFarAhead].object);
    graph.prefetch_targets(graph.begin(stack[height - 1 - kNearAhead].object));
}

void prefetch_next(const DominatorWork &work, Number number) {
    const CsrGraph &graph = work.graph;
    const Number last = work.last_number();
    if (last - number <= kFarAhead) return;
    graph.prefetch_offsets(work.object_of[number + kFarAhead]);
    graph.prefetch_targets(graph.begin(work.object_of[number + kNearAhead]));
    const ObjectId next = work.object_of[number + kNextAhead];
    const EdgeIndex stop = std::min(graph.end(next), graph.begin(next) + kTargetsAhead);
    for (EdgeIndex edge = graph.begin(next); edge < stop; ++edge) {
        __builtin_prefetch(work.slot + graph.target(edge));
    }
}

void classify(DominatorWork &work, Number source, ObjectId target) {
    Number &slot = work.slot[target];
    if (work.leaves.contains(target)) {
        if (slot == kUnset) {
            slot = source;
        } else if (slot != source && slot != kVirtualRootNumber) {
            work.leaf_references.append({target, source});
        }
    } else if (slot > source) {
        // Sources rise, so the first tree or forward reference has the least number.
        if (work.semi[slot] == kUnset) work.semi[slot] = source;
    } else if (slot < source && !work.roots.contains(target)) {
        work.cross.append({slot, source});
    }
}

}  // namespace

void mark_roots_and_leaves(DominatorWork &work, const ObjectId *roots, std::uint64_t root_count) {
    for (std::uint64_t i = 0; i < root_count; ++i) work.roots.add(roots[i]);
    const auto object_count = static_cast<ObjectId>(work.graph.object_count());
    std::uint64_t inner_count = 0;
    for (ObjectId object = 0; object < object_count; ++object) {
        if (has_inner_reference(work, object)) {
            ++inner_count;
        } else {
            work.leaves.add(object);
        }
    }
    work.object_of.reserve(inner_count + 1);
    work.parent.reserve(inner_count + 1);
    std::fill_n(work.slot, object_count, kUnset);
}

void number_inner_objects(DominatorWork &work, const ObjectId *roots, std::uint64_t root_count) {
    work.object_of.push_back(HG_VIRTUAL_ROOT);
    work.parent.push_back(kVirtualRootNumber);
    ObjectSet seen = work.leaves;
    for (std::uint64_t i = 0; i < root_count; ++i) seen.add(roots[i]);

    std::vector<Pending> stack;
    for (std::uint64_t i = 0; i < root_count; ++i) {
        const ObjectId root = roots[i];
        if (work.slot[root] != kUnset) continue;  // listed twice
        if (work.leaves.contains(root)) {
            work.slot[root] = kVirtualRootNumber;
            continue;
        }
        push_referents(work, seen, root, assign_number(work, root, kVirtualRootNumber), stack);
        while (!stack.empty()) {
            prefetch_below_top(work.graph, stack);
            const Pending top = stack.back();
            stack.pop_back();
            // The newest entry of an object is popped first, so this is a true search tree.
            if (!seen.add_new(top.object)) continue;
            const Number number = assign_number(work, top.object, top.referrer);
            push_referents(work, seen, top.object, number, stack);
        }
    }
}

void classify_references(DominatorWork &work) {
    const CsrGraph &graph = work.graph;
    const Number last = work.last_number();
    work.semi.resize(last + 1ULL);
    for (Number number = 0; number <= last; ++number) {
        work.semi[number] = work.parent[number] == kVirtualRootNumber ? kVirtualRootNumber : kUnset;
    }
    for (Number source = 1; source <= last; ++source) {
        prefetch_next(work, source);
        const ObjectId object = work.object_of[source];
        const EdgeIndex end = graph.end(object);
        for (EdgeIndex edge = graph.begin(object); edge < end; ++edge) {
            if (graph.is_live(edge)) classify(work, source, graph.target(edge));
        }
    }
}

void sort_cross_references(DominatorWork &work) {
    // Counts are kept one row late, so that filling turns starts into the final offsets.
    std::vector<std::uint64_t> &offsets = work.cross_offsets;
    offsets.assign(work.last_number() + 3ULL, 0);
    work.cross.for_each(
        [&](const CrossReference &reference) { ++offsets[reference.target + 2ULL]; });
    for (std::size_t row = 1; row < offsets.size(); ++row) offsets[row] += offsets[row - 1];
    work.cross_sources.resize(work.cross.size());
    work.cross.for_each([&](const CrossReference &reference) {
        work.cross_sources[offsets[reference.target + 1ULL]++] = reference.source;
    });
    work.cross.release();
}

}  // namespace heapgraph
