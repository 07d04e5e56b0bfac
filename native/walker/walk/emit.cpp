// Pass 2: one row per object in address order, its references behind one another; then what follows
// from the rows.
#include "walker/walk/emission.hpp"
#include "walker/walk/walker.hpp"

namespace heapgraph {

void Walker::emit(const AddressRange *statics, u64 static_count) {
    types_.put_in_order(names_of_rules_);
    const u64 objects = number_objects();
    columns_ = Columns{};
    make_ages();
    reader_.begin_second_pass();
    reader_.share_blocks(std::move(block_owners_));
    traversed_.sort();
    image_->keep_used_blocks();
    const FirstPass first{.image = *image_,
                          .reader = reader_,
                          .traversed = traversed_,
                          .blocks = blocks_,
                          .objects = objects,
                          .references = counts_.references,
                          .budget = budget_,
                          .statics = statics,
                          .static_count = static_count};
    // What is left out for the budget depends on who came first: then all is done again in order.
    if (!emit_by(first, threads_)) {
        ++counts_.done_again;
        emit_by(first, 1);
    }
    counts_.objects = objects;
    counts_.references = columns_.target.size();
    counts_.names = types_.names().names().size();
    counts_.types = types_.types().size();
    counts_.bytes_read = image_->bytes_read();
    counts_.bytes_unreadable = image_->bytes_unreadable();
    counts_.shared_tables = reader_.shared_tables();
    counts_.left_out += finder_.counts().left_out + reader_.tables_left_out() +
                        (image_->bytes_left_out() + kBlockBytes - 1) / kBlockBytes;
    progress_.store(objects, std::memory_order_relaxed);
}

// False when several threads came to the end of the budget.
bool Walker::emit_by(const FirstPass &first, unsigned threads) {
    Emission emission(first, columns_, progress_);
    {
        const ClosedTypes closed(types_);
        emission.run(threads);
    }
    if (threads > 1 && emission.is_beyond()) return false;
    emission.doubts().settle(columns_, types_.names());
    counts_.left_out += emission.left_out();
    return true;
}

void Walker::complete() {
    columns_.address.clear();
    each_object([this](u64 address, const Position &) { columns_.address.push_back(address); });
    columns_.counted_in.clear();
    columns_.counted_in.resize(columns_.type.size());
    for (u64 row = 0; row < columns_.target.size(); ++row) {
        columns_.counted_in[columns_.target[row]] += columns_.edge_flags[row] & kCounted ? 1 : 0;
    }
}

void Walker::forget_columns(u32 which) {
    if (which & HG_COUNTED_IN) columns_.counted_in.clear();
    if (which & HG_SHALLOW_SIZE) columns_.shallow.clear();
    if (which & HG_GETSIZEOF) columns_.getsizeof_.clear();
    if (which & HG_REFCOUNT) columns_.refcount.clear();
    if (which & HG_OUT_DEGREE) columns_.out_degree.clear();
    if (which & HG_PREVIEW_SIZE) columns_.preview_size.clear();
}

}  // namespace heapgraph
