// Work on all processors, a few at most: what reads much memory is limited by it.
#pragma once

#include <atomic>
#include <functional>
#include <new>
#include <thread>

#include "walker/image/memory_image.hpp"
#include "walker/image/threads.hpp"

namespace heapgraph {

// Numbers from 0 on that several threads take in turn.
class Tasks {
public:
    explicit Tasks(u64 count) : count_(count) {}
    bool take(u64 &task) {
        task = next_.fetch_add(1, std::memory_order_relaxed);
        return task < count_;
    }
    void give_up() { next_.store(count_, std::memory_order_relaxed); }

private:
    u64 count_;
    std::atomic<u64> next_{0};
};

// Calls `work` in each thread; it takes tasks until there are none. Throws std::bad_alloc when one
// of them did: nothing else may be thrown.
inline void run_in_parallel(u64 count, const std::function<void(Tasks &)> &work) {
    constexpr unsigned kMostThreads = 4;
    Tasks tasks(count);
    std::atomic<bool> is_short{false};  // of memory
    const auto run = [&]() noexcept {   // nothing may be thrown out of a thread
        try {
            work(tasks);
        } catch (const std::bad_alloc &) {
            is_short = true;
            tasks.give_up();
        }
    };
    const u64 wanted = std::min(std::thread::hardware_concurrency(), kMostThreads);
    run_on_threads(static_cast<unsigned>(std::min(wanted, count)), [&](unsigned) { run(); });
    if (is_short) throw std::bad_alloc();
}

// Calls work(begin, end) for slices of so many numbers, or for every so many of them, in parallel.
template <typename Work>
void run_in_slices(u64 count, u64 step, Work work) {
    constexpr u64 kSlice = 1 << 16;
    const u64 slices = (count + kSlice - 1) / kSlice;
    run_in_parallel((slices + step - 1) / step, [&](Tasks &tasks) {
        for (u64 i; tasks.take(i);)
            work(static_cast<u32>(i * step * kSlice),
                 static_cast<u32>(std::min(count, (i * step + 1) * kSlice)));
    });
}

}  // namespace heapgraph
