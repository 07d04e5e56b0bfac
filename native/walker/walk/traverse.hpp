// What the types' own traverse functions visit (they ran in the frozen clone), and how it is merged
// with what the tables and the scan say.
#pragma once

#include <vector>

#include "walker/types/edges.hpp"

namespace heapgraph {

// A mark of this library, never written to a column: the reference was visited, but lies nowhere we
// know.
constexpr u8 kPlaceless = 0x80;

struct Visits {
    const u64 *targets = nullptr;
    u64 count = 0;
};

class Traversed {
public:
    void add(u64 object, Visits visits) {
        records_.push_back({object, targets_.size(), visits.count});
        targets_.insert(targets_.end(), visits.targets, visits.targets + visits.count);
    }
    // Between the last add and the first find.
    void sort();
    // False when the object was not traversed.
    bool find(u64 object, Visits &visits) const;

private:
    struct Record {
        u64 object;
        u64 first;
        u64 count;
    };

    std::vector<Record> records_;
    std::vector<u64> targets_;
};

// Takes visits off a multiset, one by one.
class VisitTally {
public:
    explicit VisitTally(Visits visits);
    bool take(u64 target);
    bool is_empty() const { return left_ == 0; }

private:
    struct Entry {
        u64 target;
        u64 left;
    };

    std::vector<Entry> entries_;  // sorted by target
    u64 left_;
};

// Makes the visible references of the list exactly the visited ones. A word that the scan found is
// confirmed by a visit and keeps its name; a visit without a word is added as a placeless
// reference.
void merge_visits(EdgeList &edges, Visits visits);

}  // namespace heapgraph
