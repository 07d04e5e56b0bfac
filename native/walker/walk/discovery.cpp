// Pass 1 over the collector's lists, on several threads: whoever is free reads the next objects of
// the lists, and what only these refer to.
//
// What is found does not depend on who was quicker. Where something would (two objects that claim
// one table, the end of a budget), all is found again by one thread, in the order of the lists.
#include <algorithm>
#include <atomic>
#include <exception>
#include <memory>
#include <mutex>

#include "walker/image/threads.hpp"
#include "walker/walk/walker.hpp"

namespace heapgraph {
namespace {

constexpr u64 kAtOnce = 1 << 10;  // objects of the lists

// What a further thread has of its own.
struct Beside {
    MemoryImage image;
    HeapReader reader;
    Finder finder;

    Beside(const MemoryImage &memory, HeapReader &first, const WalkBudget &budget)
        : image(memory), reader(HeapReader::beside(first, image)), finder(image, reader, budget) {}
};

// The objects of the lists, given to threads until there are none.
class ListedObjects {
public:
    ListedObjects(const std::vector<u64> &objects, const TypeTable &types,
                  std::atomic<u64> &progress)
        : objects_(objects), types_(types), progress_(progress) {}

    void work(Finder &finder) noexcept {
        try {
            for (u64 first; (first = next_.fetch_add(kAtOnce)) < objects_.size();) {
                const u64 end = std::min<u64>(first + kAtOnce, objects_.size());
                for (u64 i = first; i < end; ++i) finder.meet_listed(objects_[i]);
                progress_.fetch_add(end - first, std::memory_order_relaxed);
                if (finder.counts().left_out != 0 || types_.needs_order()) next_ = objects_.size();
            }
            finder.drain();
        } catch (...) {
            const std::lock_guard lock(mutex_);
            failure_ = std::current_exception();
            next_ = objects_.size();
        }
    }
    void rethrow() const {
        if (failure_) std::rethrow_exception(failure_);
    }

private:
    const std::vector<u64> &objects_;
    const TypeTable &types_;
    std::atomic<u64> &progress_;
    std::atomic<u64> next_{0};
    std::mutex mutex_;
    std::exception_ptr failure_;
};

}  // namespace

void Walker::find_listed() {
    if (threads_ > 1 && gc_objects_.size() > kAtOnce) {
        if (find_listed_together()) return;
        forget_found();
        ++counts_.done_again;
    }
    for (u64 i = 0; i < gc_objects_.size(); ++i) {
        finder_.meet_listed(gc_objects_[i]);
        if (i % kAtOnce == 0) progress_.store(i, std::memory_order_relaxed);
    }
    finder_.drain();
}

// False when the answer depended on the order.
bool Walker::find_listed_together() {
    std::vector<std::unique_ptr<Beside>> besides;
    for (unsigned i = 1; i < threads_; ++i)
        besides.push_back(std::make_unique<Beside>(*image_, reader_, budget_));
    ListedObjects listed(gc_objects_, types_, progress_);
    types_.begin_together();
    run_on_threads(threads_,
                   [&](unsigned i) { listed.work(i == 0 ? finder_ : besides[i - 1]->finder); });
    types_.end_together();
    listed.rethrow();
    for (const auto &each : besides) {
        finder_.take(each->finder);
        reader_.take(each->reader);
    }
    const FoundCounts &counts = finder_.counts();
    return counts.left_out == 0 && counts.objects <= budget_.objects &&
           counts.references <= budget_.references && reader_.is_within_budget() &&
           reader_.shared_tables() == 0 && !types_.needs_order();
}

void Walker::forget_found() {
    for (Region &region : image_->regions()) {
        for (const u32 block : region.used) {
            const BlockWords words = words_of(region, block);
            std::fill(region.known + words.begin, region.known + words.end, 0);
        }
    }
    finder_.forget();
    reader_.forget_found();
    types_.learn_those_before();
}

// In the order of addresses, since whoever asks first owns a block that several lead to.
void Walker::read_block_owners() {
    for (std::vector<u64> owners; !finder_.block_owners().empty();) {
        owners.clear();
        owners.swap(finder_.block_owners());
        std::sort(owners.begin(), owners.end());
        for (const u64 owner : owners) {
            finder_.read_owner(owner);
            finder_.drain();
        }
        block_owners_.insert(block_owners_.end(), owners.begin(), owners.end());
    }
}

}  // namespace heapgraph
