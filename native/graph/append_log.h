// A list that only grows and is read once from the front.
//
// A vector of unknown length copies itself at each doubling and ends up to twice as large as it
// needs to be, which for tens of millions of references cost a third of a second.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

namespace heapgraph {

template <typename Entry>
class AppendLog {
public:
    void append(const Entry &entry) {
        if (used_ == kChunk) {
            chunks_.push_back(std::make_unique_for_overwrite<Entry[]>(kChunk));
            used_ = 0;
        }
        chunks_.back()[used_++] = entry;
    }

    [[nodiscard]] std::size_t size() const {
        return chunks_.empty() ? 0 : (chunks_.size() - 1) * kChunk + used_;
    }

    template <typename Visitor>
    void for_each(Visitor visit) const {
        for (std::size_t chunk = 0; chunk < chunks_.size(); ++chunk) {
            const std::size_t end = chunk + 1 == chunks_.size() ? used_ : kChunk;
            for (std::size_t i = 0; i < end; ++i) visit(chunks_[chunk][i]);
        }
    }

    void release() {
        std::vector<std::unique_ptr<Entry[]>>().swap(chunks_);
        used_ = kChunk;
    }

private:
    static constexpr std::size_t kChunk = 1 << 16;
    std::vector<std::unique_ptr<Entry[]>> chunks_;
    std::size_t used_ = kChunk;
};

}  // namespace heapgraph
