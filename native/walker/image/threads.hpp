// Work on several threads, of which the caller's is one.
#pragma once

#include <exception>
#include <thread>
#include <vector>

namespace heapgraph {

// Calls work(i) for i from 0 to count - 1, each in a thread of its own, and waits for all. Where
// there may be no more threads, or no memory for one, the numbers from there on are left out: each
// call must be ready to do all there is. Nothing may be thrown out of one.
template <typename Work>
void run_on_threads(unsigned count, const Work &work) {
    std::vector<std::thread> others;
    try {
        for (unsigned i = 1; i < count; ++i) others.emplace_back([&work, i] { work(i); });
    } catch (const std::exception &) {
        // those that are there do it
    }
    work(0);
    for (std::thread &other : others) other.join();
}

}  // namespace heapgraph
