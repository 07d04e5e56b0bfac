// Pass 1: follows references from object to object and marks what it meets. One of these for each
// thread.
#pragma once

#include <array>
#include <atomic>
#include <vector>

#include "walker/types/heap_reader.hpp"
#include "walker/walk/positions.hpp"

namespace heapgraph {

// What a walk has found so far, by one thread.
struct FoundCounts {
    u64 objects = 0;
    u64 references = 0;
    u64 invalid_references = 0;
    u64 left_out = 0;  // beyond the budget

    FoundCounts &operator+=(const FoundCounts &other) {
        objects += other.objects;
        references += other.references;
        invalid_references += other.invalid_references;
        left_out += other.left_out;
        return *this;
    }
};

class Finder {
public:
    // budget: counts that include `counts()`; image and reader are this thread's own.
    Finder(MemoryImage &image, HeapReader &reader, const WalkBudget &budget)
        : image_(image), reader_(reader), budget_(budget) {}

    // The object's type when there is a plausible live object at this address.
    TypeInfo *plausible(u64 address, const Position &at, bool strictly);
    // An object of the collector's lists: it is read here, whoever has met it before.
    void meet_listed(u64 address);
    // True when an object is there, new or known.
    bool add(u64 address, bool strictly);
    // Reads what was added; `drain` also what was met and waits.
    void follow_stack();
    void drain();
    // Reads an object that was set aside for its blocks.
    void read_owner(u64 object);
    // What an object refers to, given to `taker` (which looks at edges()) part by part.
    template <typename Taker>
    void take_references(u64 object, const TypeInfo &type, Taker taker) {
        edges_.clear();
        edges_.hand_over(taker);
        reader_.references(object, type, edges_);
        edges_.finish();
        edges_.clear();
    }
    const EdgeList &edges() const { return edges_; }

    FoundCounts &counts() { return counts_; }
    // Objects whose traverse function should run, and those that may own blocks: which block is
    // whose depends on who asks first, so that these are read later, in order.
    std::vector<u64> &to_traverse() { return to_traverse_; }
    std::vector<u64> &block_owners() { return block_owners_; }
    void give_room_back() { stack_ = {}; }
    // What another thread has found.
    void take(Finder &other);
    void forget();

private:
    // How an object was met: what is counted depends on it, and how well it must be checked.
    enum class Met : u8 { kListed, kReference, kScannedWord, kLabel };
    struct Candidate {
        u64 address = 0;
        Position at{};
        Met how = Met::kListed;
    };
    // A ring of what was met and not yet looked at: after kBitsComing others it is asked whether
    // the object is known, after kWaiting what lies there.
    static constexpr unsigned kWaiting = 32, kBitsComing = 12;

    void meet(u64 address, Met how);
    void take_oldest(const Candidate &newest);
    void admit(const Candidate &candidate);
    bool add_at(u64 address, const Position &at, bool strictly);
    void count_met(Met how, bool is_object);
    void follow_edges();

    MemoryImage &image_;
    HeapReader &reader_;
    const WalkBudget &budget_;
    FoundCounts counts_;
    std::vector<u64> stack_;
    std::array<Candidate, kWaiting> waiting_{};
    unsigned next_waiting_ = 0;  // the oldest of them
    bool has_waiting_ = false;
    EdgeList edges_;
    std::vector<u64> to_traverse_, block_owners_;
};

}  // namespace heapgraph
