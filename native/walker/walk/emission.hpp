// Pass 2 on several threads: parts of the objects are read by whoever is free, and their rows laid
// one behind the other in the order of the parts. The columns are the same for every number of
// threads.
#pragma once

#include <atomic>
#include <condition_variable>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>

#include "walker/walk/part_emitter.hpp"

namespace heapgraph {

// What the second pass reads of the first one.
struct FirstPass {
    MemoryImage &image;
    const HeapReader &reader;
    const Traversed &traversed;
    const std::vector<NumberedBlock> &blocks;  // by first id
    u64 objects;
    u64 references;  // about as many rows as there will be
    const WalkBudget &budget;
    const AddressRange *statics;  // the program's own data, sorted and disjoint
    u64 static_count;
};

class Emission {
public:
    // progress: objects that are done.
    Emission(const FirstPass &first, Columns &columns, std::atomic<u64> &progress);
    ~Emission();
    // Makes the rows of all objects. With one thread the budget ends where it is used up; several
    // may go beyond it together, or leave out what another one has not used (is_beyond).
    void run(unsigned threads);
    bool is_beyond() const;
    u64 left_out() const;
    Doubts &doubts() { return doubts_; }

private:
    struct Part {
        u64 first_block;
        u64 end_block;
    };

    void divide();
    void work(PartEmitter &emitter) noexcept;
    void emit_part(PartEmitter &emitter, u64 part);
    void flush(PartRows &rows, u64 part, bool is_last);
    void place(PartRows &rows, std::unique_lock<std::mutex> &turn, bool is_last);
    u64 append(PartRows &rows);
    void reserve_references(u64 rows);

    const FirstPass &first_;
    Columns &columns_;
    std::atomic<u64> &progress_;
    Doubts doubts_;
    std::vector<Part> parts_;
    std::vector<std::unique_ptr<PartEmitter>> emitters_;  // one for each thread
    std::atomic<u64> next_part_{0};
    // Rows find their place in the order of the parts: whose turn it is.
    std::mutex turn_mutex_;
    std::condition_variable turn_changed_;
    u64 turn_ = 0;
    std::map<u64, PartRows> waiting_;  // by part
    std::vector<PartRows> spare_;      // with room for rows
    std::exception_ptr failure_;
    // Columns may move when they grow: nobody copies rows to them meanwhile.
    std::shared_mutex growth_;
};

}  // namespace heapgraph
