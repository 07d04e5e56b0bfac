#include "walker/walk/emission.hpp"

#include <algorithm>
#include <utility>

#include "walker/image/threads.hpp"

namespace heapgraph {
namespace {

constexpr u64 kObjectsInPart = 1 << 14;  // their rows have room in a processor's second cache
constexpr u64 kMostWaiting = 8;          // parts

}  // namespace

// Columns of objects have their rows from the start; the others grow.
Emission::Emission(const FirstPass &first, Columns &columns, std::atomic<u64> &progress)
    : first_(first), columns_(columns), progress_(progress) {
    const auto begin_rows = [](u64 size, auto &...each) {
        (..., (each.clear(), each.resize(size)));
    };
    begin_rows(first.objects, columns.type, columns.shallow, columns.getsizeof_, columns.refcount,
               columns.flags, columns.out_degree, columns.preview_size);
    begin_rows(0, columns.target, columns.label, columns.kind, columns.edge_flags,
               columns.previews);
    reserve_references(first.references);
    progress_.store(0, std::memory_order_relaxed);
    divide();
}

Emission::~Emission() = default;

void Emission::divide() {
    const std::vector<NumberedBlock> &blocks = first_.blocks;
    for (u64 block = 0; block < blocks.size();) {
        const u64 begin = block;
        while (++block < blocks.size() &&
               blocks[block].first_id - blocks[begin].first_id < kObjectsInPart) {}
        parts_.push_back({begin, block});
    }
}

void Emission::run(unsigned threads) {
    const u64 useful = std::clamp<u64>(threads, 1, std::max<u64>(parts_.size(), 1));
    for (u64 i = 0; i < useful; ++i) {
        emitters_.push_back(std::make_unique<PartEmitter>(
            first_.image, first_.reader, first_.traversed, first_.budget, columns_));
    }
    run_on_threads(static_cast<unsigned>(useful), [this](unsigned i) { work(*emitters_[i]); });
    if (failure_) std::rethrow_exception(failure_);
}

void Emission::work(PartEmitter &emitter) noexcept {
    try {
        for (u64 part; (part = next_part_++) < parts_.size();) emit_part(emitter, part);
    } catch (...) {
        const std::lock_guard lock(turn_mutex_);
        failure_ = std::current_exception();
        next_part_ = parts_.size();
        turn_changed_.notify_all();
    }
}

void Emission::emit_part(PartEmitter &emitter, u64 part) {
    const auto flush_early = [&](PartRows &rows) { flush(rows, part, false); };
    const AddressRange *statics = first_.statics, *end = statics + first_.static_count;
    for (u64 i = parts_[part].first_block; i < parts_[part].end_block; ++i) {
        const NumberedBlock &block = first_.blocks[i];
        u32 id = block.first_id;
        each_object_in(first_.image.regions()[block.region], block.block,
                       [&](u64 address, const Position &at) {
                           while (statics != end && statics->end <= address) ++statics;
                           const bool is_static = statics != end && statics->start <= address;
                           emitter.emit(address, at, id++, is_static, flush_early);
                       });
    }
    emitter.finish();
    flush(emitter.rows(), part, true);
}

// A part that is whole before its turn waits, and its thread goes on with another one. A part that
// has many rows gives some away before it is whole: its turn lasts until then.
void Emission::flush(PartRows &rows, u64 part, bool is_last) {
    std::unique_lock turn(turn_mutex_);
    if (is_last && turn_ != part && waiting_.size() < kMostWaiting) {
        PartRows next;
        if (!spare_.empty()) {
            next = std::move(spare_.back());
            spare_.pop_back();
        }
        waiting_.emplace(part, std::exchange(rows, std::move(next)));
        return;
    }
    turn_changed_.wait(turn, [&] { return turn_ == part || failure_; });
    if (failure_) return rows.drop();
    place(rows, turn, is_last);
    while (is_last) {
        const auto next = waiting_.find(turn_);
        if (next == waiting_.end()) return;
        PartRows waited = std::move(next->second);
        waiting_.erase(next);
        place(waited, turn, true);
        spare_.push_back(std::move(waited));
    }
}

// Lays the rows whose turn it is behind those that are there. They are copied without the lock.
void Emission::place(PartRows &rows, std::unique_lock<std::mutex> &turn, bool is_last) {
    const u64 first = append(rows);
    if (is_last) ++turn_;
    {
        const std::shared_lock stays(growth_);
        turn.unlock();
        if (is_last) turn_changed_.notify_all();
        columns_.target.put(first, rows.target);
        columns_.label.put(first, rows.label);
        columns_.kind.put(first, rows.kind);
        columns_.edge_flags.put(first, rows.edge_flags);
    }
    progress_.fetch_add(rows.objects, std::memory_order_relaxed);
    rows.drop();
    turn.lock();
}

// Makes room for rows of references behind those that are there, and takes all else. Returns the
// first of them.
u64 Emission::append(PartRows &rows) {
    const u64 first = columns_.target.size(), count = rows.target.size();
    if (!columns_.target.has_room(count)) {
        const std::unique_lock moves(growth_);
        reserve_references(first + count + first / 4);
    }
    columns_.target.resize(first + count);
    columns_.label.resize(first + count);
    columns_.kind.resize(first + count);
    columns_.edge_flags.resize(first + count);
    columns_.previews.append(rows.previews.data(), rows.previews.size());
    doubts_.take(rows.doubts, first);
    columns_.type.add_large(rows.type);
    columns_.shallow.add_large(rows.shallow);
    columns_.getsizeof_.add_large(rows.getsizeof_);
    columns_.refcount.add_large(rows.refcount);
    columns_.out_degree.add_large(rows.out_degree);
    columns_.preview_size.add_large(rows.preview_size);
    return first;
}

void Emission::reserve_references(u64 rows) {
    columns_.target.reserve(rows);
    columns_.label.reserve(rows);
    columns_.kind.reserve(rows);
    columns_.edge_flags.reserve(rows);
}

u64 Emission::left_out() const {
    u64 sum = 0;
    for (const auto &emitter : emitters_) sum += emitter->left_out();
    return sum;
}

bool Emission::is_beyond() const {
    u64 references = 0, table_bytes = 0;
    for (const auto &emitter : emitters_) {
        references += emitter->references();
        table_bytes += emitter->table_bytes();
    }
    return left_out() != 0 || references > first_.budget.references ||
           table_bytes > first_.budget.table_bytes;
}

}  // namespace heapgraph
