#include "walker/walk/finder.hpp"

#include <utility>

namespace heapgraph {

TypeInfo *Finder::plausible(u64 address, const Position &at, bool strictly) {
    const Layout &layout = reader_.layout();
    const View head = image_.view(address, 16);
    if (!head) return nullptr;
    TypeInfo *type = reader_.types().find(head.u64_at(layout.type));
    if (type == nullptr) return nullptr;
    if (!image_.view(address, reader_.least_bytes(address, *type))) return nullptr;
    const u64 count = head.u64_at(layout.refcount);
    if (!is_plausible_count(image_, layout, address, count)) return nullptr;
    // A table of C code can look like an object: an address where the count is, and then a type.
    const bool immortal = is_half(layout) && is_immortal_count(layout, count);
    if (strictly && !immortal && image_.find(count_of(layout, count)) != nullptr) return nullptr;
    if (at.is_tracked() || !reader_.has_gc_head(address, *type)) return type;
    // A GC object outside of all lists is untracked (no link), or on the stack of a running
    // collection.
    if (strictly && image_.u64_at(address - kGcHead) != 0) return nullptr;
    return type;
}

bool Finder::add(u64 address, bool strictly) {
    Position at;
    return find_position(image_, address, at) && add_at(address, at, strictly);
}

// What is in a list of the collector is read from there.
bool Finder::add_at(u64 address, const Position &at, bool strictly) {
    if (at.is_known()) return true;
    if (plausible(address, at, strictly) == nullptr) return false;
    if (counts_.objects >= budget_.objects) {
        ++counts_.left_out;
        return false;
    }
    if (!at.make_known()) return true;  // another thread was quicker
    ++counts_.objects;
    if (!at.is_tracked()) stack_.push_back(address);
    return true;
}

void Finder::meet_listed(u64 address) {
    meet(address, Met::kListed);
    follow_stack();
}

// Most of the time of a walk is spent waiting for memory: what is met waits in a ring until what
// must be asked of it is on its way.
void Finder::meet(u64 address, Met how) {
    Candidate newest{address, {}, how};
    if (!find_position(image_, address, newest.at)) return count_met(how, false);
    __builtin_prefetch(&newest.at.region->known[newest.at.bit >> 6]);
    has_waiting_ = true;
    take_oldest(newest);
}

// The ring goes on by one.
void Finder::take_oldest(const Candidate &newest) {
    const Candidate oldest = std::exchange(waiting_[next_waiting_], newest);
    Candidate &asked = waiting_[(next_waiting_ - kBitsComing) % kWaiting];
    next_waiting_ = (next_waiting_ + 1) % kWaiting;
    if (asked.address != 0) {
        if (asked.how != Met::kListed && asked.at.is_known()) {
            count_met(asked.how, true);
            asked.address = 0;
        } else {
            image_.prefetch(*asked.at.region, asked.address);
            __builtin_prefetch(&asked.at.region->tracked[asked.at.bit >> 6]);
        }
    }
    if (oldest.address != 0) admit(oldest);
}

void Finder::admit(const Candidate &candidate) {
    const bool strictly = candidate.how == Met::kScannedWord;
    const bool is_object = add_at(candidate.address, candidate.at, strictly);
    count_met(candidate.how, is_object);
    if (is_object && candidate.how == Met::kListed) stack_.push_back(candidate.address);
}

void Finder::count_met(Met how, bool is_object) {
    if (how == Met::kReference || how == Met::kScannedWord) {
        if (counts_.references >= budget_.references) {
            ++counts_.left_out;
        } else if (is_object) {
            ++counts_.references;
        }
    }
    if (!is_object && (how == Met::kReference || how == Met::kListed)) ++counts_.invalid_references;
}

void Finder::follow_stack() {
    while (!stack_.empty()) {
        const u64 object = stack_.back();
        stack_.pop_back();
        const TypeInfo *type = reader_.type_of(object);
        if (type == nullptr) continue;
        if (type->wants_traverse && reader_.has_gc_head(object, *type))
            to_traverse_.push_back(object);
        if (type->blocks.depth != 0) {
            block_owners_.push_back(object);
        } else {
            take_references(object, *type, [this] { follow_edges(); });
        }
    }
}

void Finder::read_owner(u64 object) {
    const TypeInfo *type = reader_.type_of(object);
    if (type != nullptr) take_references(object, *type, [this] { follow_edges(); });
}

void Finder::drain() {
    if (stack_.empty() && !has_waiting_) return;
    follow_stack();
    for (unsigned left = kWaiting; left != 0; --left) {
        take_oldest({});
        if (stack_.empty()) continue;
        follow_stack();
        left = kWaiting + 1;
    }
    has_waiting_ = false;
}

void Finder::follow_edges() {
    for (const Edge &edge : edges_.edges()) {
        if (counts_.references >= budget_.references) {
            ++counts_.left_out;
            return;
        }
        meet(edge.target, edge.flags & kScanned ? Met::kScannedWord : Met::kReference);
        if (label_is_object(edge.kind)) meet(edge.label, Met::kLabel);
    }
}

void Finder::take(Finder &other) {
    counts_ += other.counts_;
    const auto append = [](std::vector<u64> &to, const std::vector<u64> &from) {
        to.insert(to.end(), from.begin(), from.end());
    };
    append(to_traverse_, other.to_traverse_);
    append(block_owners_, other.block_owners_);
    other.forget();
}

void Finder::forget() {
    counts_ = {};
    stack_ = {};
    waiting_ = {};
    to_traverse_ = {};
    block_owners_ = {};
}

}  // namespace heapgraph
