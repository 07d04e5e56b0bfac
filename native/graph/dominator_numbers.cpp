// Semidominators, immediate dominators and retained sizes, all in depth-first numbers.
#include <algorithm>

#include "dominator_work.h"

namespace heapgraph {

namespace {

// A link of the forest that Tarjan's evaluation compresses. The label is the least semidominator
// between the object and its ancestor link, the link's own object left out.
struct Link {
    Number ancestor;
    Number label;
};

// The least semidominator on the search path from `source` up to, but without, the first object
// not above `limit`. An object is linked exactly when its number is above the one in work.
Number evaluate(std::vector<Link> &links, std::vector<Number> &path, Number source, Number limit) {
    Number top = source;
    while (links[top].ancestor > limit) {
        path.push_back(top);
        top = links[top].ancestor;
    }
    const Number beyond = links[top].ancestor;
    Number least = links[top].label;
    while (!path.empty()) {
        Link &link = links[path.back()];
        path.pop_back();
        link.label = least = std::min(least, link.label);
        link.ancestor = beyond;
    }
    return least;
}

// One row of the tree that holds the jump pointers; numbers fall along every chain.
struct Step {
    Number jump;
    std::uint32_t depth;
};

class DominatorChains {
public:
    DominatorChains(const std::vector<Number> &dominator, std::size_t size)
        : dominator_(dominator), steps_(size, Step{kVirtualRootNumber, 0}) {}

    // The nearest dominator of `number`, itself included, that is not above `limit`.
    [[nodiscard]] Number climb_to_number(Number number, Number limit) const {
        while (number > limit) {
            const Number jump = steps_[number].jump;
            number = jump > limit ? jump : dominator_[number];
        }
        return number;
    }

    // Hang `number` below its dominator, whose own row is complete.
    void append(Number number, Number dominator) {
        const Step &above = steps_[dominator];
        const Step &middle = steps_[above.jump];
        const bool equal_jumps =
            above.depth - middle.depth == middle.depth - steps_[middle.jump].depth;
        steps_[number] = {equal_jumps ? middle.jump : dominator, above.depth + 1};
    }

    [[nodiscard]] Number nearest_common(Number left, Number right) const {
        const std::uint32_t depth = std::min(steps_[left].depth, steps_[right].depth);
        left = climb_to_depth(left, depth);
        right = climb_to_depth(right, depth);
        while (left != right) {
            // Equal depths have jumps of equal length, so both stay level.
            const bool far = steps_[left].jump != steps_[right].jump;
            left = far ? steps_[left].jump : dominator_[left];
            right = far ? steps_[right].jump : dominator_[right];
        }
        return left;
    }

private:
    [[nodiscard]] Number climb_to_depth(Number number, std::uint32_t depth) const {
        while (steps_[number].depth > depth) {
            const Number jump = steps_[number].jump;
            number = steps_[jump].depth >= depth ? jump : dominator_[number];
        }
        return number;
    }

    const std::vector<Number> &dominator_;
    std::vector<Step> steps_;
};

}  // namespace

void find_semidominators(DominatorWork &work) {
    const Number last = work.last_number();
    std::vector<Link> links(last + 1ULL);
    for (Number number = 0; number <= last; ++number) {
        links[number] = {work.parent[number], work.semi[number]};
    }
    std::vector<Number> path;
    for (Number number = last; number > kVirtualRootNumber; --number) {
        Number least = work.semi[number];
        const std::uint64_t end = work.cross_offsets[number + 1ULL];
        for (std::uint64_t row = work.cross_offsets[number]; row < end; ++row) {
            if (least == kVirtualRootNumber) break;  // nothing is less
            least = std::min(least, evaluate(links, path, work.cross_sources[row], number));
        }
        work.semi[number] = links[number].label = least;
    }
    std::vector<Number>().swap(work.cross_sources);
    std::vector<std::uint64_t>().swap(work.cross_offsets);
}

void find_dominators(DominatorWork &work) {
    const Number last = work.last_number();
    std::vector<Number> &dominator = work.parent;  // rows below the current one are final
    DominatorChains chains(dominator, dominator.size());
    for (Number number = 1; number <= last; ++number) {
        dominator[number] = chains.climb_to_number(dominator[number], work.semi[number]);
        chains.append(number, dominator[number]);
    }
    std::vector<Number>().swap(work.semi);
    work.leaf_references.for_each([&](const LeafReference &reference) {
        Number &slot = work.slot[reference.leaf];
        if (slot == kVirtualRootNumber) return;  // stays so; saves the walk for hubs
        slot = chains.nearest_common(slot, reference.source);
    });
    work.leaf_references.release();
}

void write_results(DominatorWork &work, const std::uint64_t *sizes, std::uint64_t *retained) {
    const Number last = work.last_number();
    const auto object_count = static_cast<ObjectId>(work.graph.object_count());
    std::vector<std::uint64_t> total(last + 1ULL, 0);
    for (ObjectId object = 0; object < object_count; ++object) {
        if (work.slot[object] != kUnset) total[work.slot[object]] += sizes[object];
    }
    // A dominator has the lower number: one pass from the end sums every subtree.
    for (Number number = last; number > kVirtualRootNumber; --number) {
        total[work.parent[number]] += total[number];
    }
    for (ObjectId object = 0; object < object_count; ++object) {
        const Number number = work.slot[object];
        if (number == kUnset) {
            work.slot[object] = HG_UNREACHABLE;
            retained[object] = 0;
        } else if (work.leaves.contains(object)) {
            work.slot[object] = work.object_of[number];
            retained[object] = sizes[object];
        } else {
            work.slot[object] = work.object_of[work.parent[number]];
            retained[object] = total[number];
        }
    }
}

}  // namespace heapgraph
