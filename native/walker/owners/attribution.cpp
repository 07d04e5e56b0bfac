#include "walker/owners/attribution.hpp"

#include <unordered_map>

namespace heapgraph {
namespace {

// Visits the chunks that a chunk leads to by edges that count.
template <typename Visit>
void each_counted(const EdgeBytes &edges, const Reached &reached, u32 chunk, Visit visit) {
    const u8 level = reached.level(chunk);
    edges.each(chunk, [&](Target target, u32) {
        const u32 next = chunk_of(target);
        if (counts(level, reached.level(next), target)) visit(next);
    });
}

// Marks and returns the chunks, but roots of trees, that other trees than their own may lead to.
Column<u32> mark_shared(const EdgeBytes &edges, Reached &reached) {
    Column<u32> found;
    const auto add = [&](u32 chunk) {
        if (reached.marks[chunk] & kMarksShared || reached.is_root(chunk)) return;
        reached.marks[chunk] |= kMarksShared;
        found.push_back(chunk);
    };
    for (const u32 met : reached.met) add(met);
    for (u64 i = 0; i < found.size(); ++i) each_counted(edges, reached, found[i], add);
    return found;
}

// What flows where: nodes are the shared chunks, by their numbers, and behind them the trees, each
// for all its other chunks.
class Flow {
public:
    Flow(const EdgeBytes &edges, const Reached &reached, const Column<u32> &shared)
        : edges_(edges), reached_(reached), shared_(shared),
          trees_(static_cast<u32>(reached.marks.size())) {
        begins_.resize(reached.trees.size() + 1);
        each_of_trees([this](u32 tree, u32) { ++begins_[tree + 1]; });
        for (u64 i = 1; i < begins_.size(); ++i) begins_[i] += begins_[i - 1];
        targets_.resize(begins_[reached.trees.size()]);
        std::vector<u32> places(begins_.begin(), begins_.end());
        each_of_trees([&](u32 tree, u32 node) { targets_[places[tree]++] = node; });
    }

    u32 nodes() const { return trees_ + static_cast<u32>(reached_.trees.size()); }
    bool is_tree(u32 node) const { return node >= trees_; }
    u32 first_tree() const { return trees_; }
    u32 tree(u32 node) const { return node - trees_; }
    // Where the edges of a node are, and the node that one of them leads to; kNoChunk where it
    // does not count.
    EdgeBytes::Places places(u32 node) const {
        if (!is_tree(node)) return edges_.places(node);
        return {begins_[tree(node)], begins_[tree(node) + 1]};
    }
    u32 next(u32 node, u32 &place) const {
        if (is_tree(node)) return targets_[place++];
        const Target target = next_edge(edges_.bytes, node, place);
        const u32 chunk = chunk_of(target);
        if (!counts(reached_.level(node), reached_.level(chunk), target)) return kNoChunk;
        return node_of(chunk);
    }

private:
    u32 node_of(u32 chunk) const {
        return reached_.marks[chunk] & kMarksShared ? chunk : trees_ + reached_.tree_of(chunk);
    }
    // Visits (tree, node that it leads to).
    template <typename Visit>
    void each_of_trees(Visit visit) const {
        for (const u32 met : reached_.met) {
            const u32 node = node_of(met), own = reached_.tree_of(met);
            reached_.tree.each(met, [&](u32 tree) {
                if (tree != own) visit(tree, node);
            });
        }
        for (const u32 chunk : shared_) visit(reached_.tree_of(chunk), chunk);
    }

    const EdgeBytes &edges_;
    const Reached &reached_;
    const Column<u32> &shared_;
    u32 trees_;                // the first node that is a tree
    std::vector<u32> begins_;  // of each tree, in targets_
    Column<u32> targets_;
};

// Components by the algorithm of Gabow ("Path-based depth-first search for strong and biconnected
// components", 2000), with stacks of its own: a list of a million chunks is as deep.
class Components {
public:
    // All, since each chunk is of a tree that leads to it.
    explicit Components(const Flow &flow) : flow_(flow) {
        numbers_.resize(flow.nodes());  // only the pages of what is looked at come into memory
        for (u32 tree = flow.first_tree(); tree < flow.nodes(); ++tree) {
            if (numbers_[tree] == 0) search(tree);
        }
    }

    // Nodes by component, those of one behind one another, what they lead to in front of them.
    const Column<u32> &order() const { return order_; }
    u32 component(u32 node) const { return numbers_[node]; }

private:
    static constexpr u32 kDone = u32{1} << 31;

    struct Call {
        u32 node;
        EdgeBytes::Places edges;
    };

    void enter(u32 node) {
        numbers_[node] = ++entered_;
        open_.push_back(node);
        path_.push_back(numbers_[node]);
        calls_.push_back({node, flow_.places(node)});
    }

    void search(u32 root) {
        entered_ = 0;
        enter(root);
        while (!calls_.empty()) {
            Call &call = calls_.back();
            if (call.edges.begin < call.edges.end) {
                const u32 next = flow_.next(call.node, call.edges.begin);
                if (next == kNoChunk) continue;
                if (numbers_[next] == 0) {
                    enter(next);
                } else if (!(numbers_[next] & kDone)) {
                    while (path_.back() > numbers_[next]) path_.pop_back();
                }
                continue;
            }
            const u32 last = call.node, number = numbers_[last];
            calls_.pop_back();
            if (path_.back() != number) continue;
            path_.pop_back();
            ++components_;
            for (u32 member = kNoChunk; member != last;) {
                member = open_.back();
                open_.pop_back();
                numbers_[member] = kDone | components_;
                order_.push_back(member);
            }
        }
    }

    const Flow &flow_;
    Column<u32> numbers_;  // in the order of entering; when done, of the component
    Column<u32> order_;
    std::vector<u32> open_, path_;
    std::vector<Call> calls_;
    u32 entered_ = 0, components_ = 0;
};

// Gives the nodes their labels, those first that lead to others.
NumberLists join_labels(const Flow &flow, const Reached &reached, OwnerSets &sets) {
    const Components components(flow);
    const Column<u32> &order = components.order();
    NumberLists found(flow.nodes());
    std::vector<u32> labels;
    for (u64 end = order.size(); end != 0;) {
        u64 begin = end;
        const u32 component = components.component(order[end - 1]);
        labels.clear();
        for (; begin != 0 && components.component(order[begin - 1]) == component; --begin) {
            const u32 node = order[begin - 1];
            found.each(node, [&](u32 label) { labels.push_back(label); });
            if (flow.is_tree(node)) labels.push_back(reached.trees[flow.tree(node)].label);
        }
        const u32 label = sets.join(labels);
        for (u64 i = begin; i < end; ++i) {
            found.replace(order[i], label);
            EdgeBytes::Places edges = flow.places(order[i]);
            while (edges.begin < edges.end) {
                const u32 next = flow.next(order[i], edges.begin);
                if (next != kNoChunk && components.component(next) != component)
                    found.add(next, label);
            }
        }
        end = begin;
    }
    return found;
}

}  // namespace

Owners::Owners(const EdgeBytes &edges, Reached reached, OwnerSets &sets)
    : reached_(std::move(reached)) {
    if (reached_.met.empty()) return;
    const Column<u32> shared = mark_shared(edges, reached_);
    const Flow flow(edges, reached_, shared);
    const NumberLists labels = join_labels(flow, reached_, sets);
    for (u32 tree = 0; tree < reached_.trees.size(); ++tree)
        reached_.trees[tree].label = labels.first(flow.first_tree() + tree);
    std::unordered_map<u32, u32> trees;  // by the label: one for all shared chunks that have it
    for (const u32 chunk : shared) {
        const u32 label = labels.first(chunk), next = static_cast<u32>(reached_.trees.size());
        const auto [found, is_new] = trees.emplace(label, next);
        if (is_new) reached_.trees.push_back({kNoChunk, label, 0});
        reached_.tree.set(chunk, found->second);
    }
}

}  // namespace heapgraph
