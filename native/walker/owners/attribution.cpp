#include "walker/owners/attribution.hpp"

namespace heapgraph {
namespace {

constexpr u32 kListed = u32{1} << 31;  // the rest of a label is the place of a list of labels
constexpr u32 kEndOfList = UINT32_MAX;

// Components by the algorithm of Gabow ("Path-based depth-first search for strong and biconnected
// components", 2000), with stacks of its own: a list of a million chunks is as deep.
class Components {
public:
    Components(u64 chunks, const ChunkEdges &edges) : edges_(edges) {
        numbers_.resize(chunks);
        for (u32 chunk = 0; chunk < chunks; ++chunk) {
            if (numbers_[chunk] == 0 && leads_on(chunk)) search(chunk);
        }
    }

    // Chunks by component, those of one behind one another, what they lead to in front of them.
    // Those that lead to nothing are not among them.
    const Column<u32> &order() const { return order_; }
    u32 component(u32 chunk) const { return numbers_[chunk]; }

private:
    static constexpr u32 kDone = u32{1} << 31;

    bool leads_on(u32 chunk) const { return edges_.offsets[chunk] != edges_.offsets[chunk + 1]; }

    void enter(u32 chunk) {
        numbers_[chunk] = ++entered_;
        open_.push_back(chunk);
        path_.push_back(numbers_[chunk]);
        calls_.push_back({chunk, edges_.offsets[chunk]});
    }

    void search(u32 root) {
        entered_ = 0;
        enter(root);
        while (!calls_.empty()) {
            auto &[chunk, edge] = calls_.back();
            if (edge < edges_.offsets[chunk + 1]) {
                const u32 next = chunk_of(next_edge(edges_.bytes, chunk, edge));
                if (numbers_[next] == 0) {
                    if (leads_on(next)) enter(next);
                } else if (!(numbers_[next] & kDone)) {
                    while (path_.back() > numbers_[next]) path_.pop_back();
                }
                continue;
            }
            const u32 number = numbers_[chunk], last = chunk;
            calls_.pop_back();
            if (path_.back() != number) continue;
            path_.pop_back();
            ++components_;
            for (u32 member = UINT32_MAX; member != last;) {
                member = open_.back();
                open_.pop_back();
                numbers_[member] = kDone | components_;
                order_.push_back(member);
            }
        }
    }

    const ChunkEdges &edges_;
    Column<u32> numbers_;  // in the order of entering; when done, of the component
    Column<u32> order_;
    std::vector<u32> open_, path_;
    std::vector<std::pair<u32, u32>> calls_;  // chunk, next edge
    u32 entered_ = 0, components_ = 0;
};

// Labels that wait for a component to be looked at: one, or a list.
class Waiting {
public:
    explicit Waiting(u64 chunks) { labels_.resize(chunks); }

    void add(u32 chunk, u32 label) {
        u32 &here = labels_[chunk];
        if (here == label || label == OwnerSets::kNobody) return;
        if (here == OwnerSets::kNobody) {
            here = label;
            return;
        }
        if (!(here & kListed)) here = kListed | put(here, kEndOfList);
        const u32 first = here & ~kListed;
        if (lists_[first].first == label) return;
        here = kListed | put(label, first);
    }
    void take(u32 chunk, std::vector<u32> &labels) {
        const u32 here = labels_[chunk];
        if (!(here & kListed)) {
            if (here != OwnerSets::kNobody) labels.push_back(here);
            return;
        }
        for (u32 at = here & ~kListed; at != kEndOfList;) {
            labels.push_back(lists_[at].first);
            const u32 next = lists_[at].second;
            lists_[at].second = free_;
            free_ = at;
            at = next;
        }
    }
    void settle(u32 chunk, u32 label) { labels_[chunk] = label; }
    // When all components are settled: what is left leads to nothing.
    Column<u32> finish(OwnerSets &sets) {
        std::vector<u32> labels;
        for (u32 chunk = 0; chunk < labels_.size(); ++chunk) {
            if (!(labels_[chunk] & kListed)) continue;
            labels.clear();
            take(chunk, labels);
            settle(chunk, sets.join(labels));
        }
        return std::move(labels_);
    }

private:
    u32 put(u32 label, u32 next) {
        if (free_ == kEndOfList) {
            lists_.emplace_back(label, next);
            return static_cast<u32>(lists_.size() - 1);
        }
        const u32 at = free_;
        free_ = lists_[at].second;
        lists_[at] = {label, next};
        return at;
    }

    Column<u32> labels_;
    std::vector<std::pair<u32, u32>> lists_;
    u32 free_ = kEndOfList;
};

}  // namespace

Column<u32> attribute(u64 chunks, ChunkEdges &edges, std::vector<Entry> &entries, OwnerSets &sets) {
    Waiting waiting(chunks);
    for (const Entry &entry : entries)
        waiting.add(chunk_of(entry.target), OwnerSets::label_of(entry.source));
    const Components components(chunks, edges);
    const Column<u32> &order = components.order();
    std::vector<u32> labels;
    for (u64 end = order.size(); end != 0;) {
        u64 begin = end;
        const u32 component = components.component(order[end - 1]);
        labels.clear();
        for (; begin != 0 && components.component(order[begin - 1]) == component; --begin)
            waiting.take(order[begin - 1], labels);
        const u32 label = sets.join(labels);
        for (u64 i = begin; i < end; ++i) {
            const u32 chunk = order[i];
            waiting.settle(chunk, label);
            for (u32 at = edges.offsets[chunk]; at < edges.offsets[chunk + 1];) {
                const u32 next = chunk_of(next_edge(edges.bytes, chunk, at));
                if (components.component(next) != component) waiting.add(next, label);
            }
        }
        end = begin;
    }
    return waiting.finish(sets);
}

}  // namespace heapgraph
