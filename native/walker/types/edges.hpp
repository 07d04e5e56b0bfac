// References as the handlers report them. Numbers are those of heapgraph/model.py.
#pragma once

#include <vector>

#include "walker/image/memory_image.hpp"

namespace heapgraph {

enum class EdgeKind : u8 {
    kType = 0,
    kDict = 1,
    kAttribute = 2,
    kSlot = 3,
    kField = 4,
    kKey = 5,
    kValue = 6,
    kIndex = 7,
    kMember = 8,
    kLocal = 9,
    kStack = 10,
    kWeak = 11,
    kUnnamed = 12,
};

constexpr u8 kGcVisible = 1;
constexpr u8 kCounted = 2;
constexpr u8 kScanned = 4;
// To be believed last: in the last word of a block, which may be beyond what was asked for. Never
// written out.
constexpr u8 kTrailing = 0x40;
// Keeps its target alive whether it is counted or not. Never written out.
constexpr u8 kHolds = 0x20;
constexpr u8 kOwned = kGcVisible | kCounted;

constexpr u32 kNoLabel = UINT32_MAX;

// The label is the address of an object for kAttribute, kValue and kLocal, a number otherwise.
struct Edge {
    u64 target;
    u64 label;
    EdgeKind kind;
    u8 flags;
};

constexpr bool label_is_object(EdgeKind kind) {
    return kind == EdgeKind::kAttribute || kind == EdgeKind::kValue || kind == EdgeKind::kLocal;
}

// What one object refers to; cleared and filled again for each object.
class EdgeList {
public:
    // From now on, until the next clear(), edges are handed over and dropped whenever there are
    // many of them: a list of a hundred million items must not be here a second time. For readers
    // that need no look back.
    template <typename Taker>
    void hand_over(Taker &taker) {
        context_ = &taker;
        taker_ = [](void *context) { (*static_cast<Taker *>(context))(); };
    }
    void clear() {
        edges_.clear();
        taker_ = nullptr;
    }
    void add(u64 target, EdgeKind kind, u64 label, u8 flags = kOwned) {
        if (target == 0) return;
        edges_.push_back({target, label, kind, flags});
        if (edges_.size() >= kMany && taker_) take();
    }
    // Hands over what is left.
    void finish() {
        if (taker_) take();
    }
    const std::vector<Edge> &edges() const { return edges_; }
    std::vector<Edge> &edges() { return edges_; }

private:
    static constexpr u64 kMany = 1 << 14;

    void take() {
        taker_(context_);
        edges_.clear();
    }

    std::vector<Edge> edges_;
    void (*taker_)(void *) = nullptr;
    void *context_ = nullptr;
};

}  // namespace heapgraph
