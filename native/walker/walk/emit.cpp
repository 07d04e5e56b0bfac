// Pass 2: one row per object in address order, its references behind one another.
#include <algorithm>
#include <unordered_map>

#include "walker/walk/walker.hpp"

namespace heapgraph {
namespace {

constexpr u64 kProgressStep = 1 << 16;

}  // namespace

// What was handed over: the references to known objects become rows. Returns how many.
u32 Walker::write_edges(bool uncounted) {
    u32 degree = 0;
    for (const Edge &edge : edges_.edges()) {
        Position at;
        if (!position(edge.target, at) || !is_known(at)) continue;
        if (columns_.target.size() >= budget_.references) {
            ++counts_.left_out;
            break;
        }
        const u64 row = columns_.target.size();
        columns_.target.push_back(id_at(at));
        columns_.label.push_back(label_is_object(edge.kind) ? object_id(edge.label)
                                                            : static_cast<u32>(edge.label));
        columns_.kind.push_back(static_cast<u8>(edge.kind));
        const u8 flags = uncounted ? edge.flags & ~kCounted : edge.flags;
        columns_.edge_flags.push_back(flags & ~(kPlaceless | kTrailing));
        const bool counted = flags & kCounted;
        if (counted && edge.flags & kPlaceless) {
            placeless_.push_back(row);
        } else if (counted && edge.flags & kScanned) {
            if (edge.flags & kTrailing) {
                const u64 type = columns_.type[columns_.type.size() - 1];
                trailing_.push_back({row, type, 0});
            } else {
                doubtful_.push_back(row);
            }
        }
        ++degree;
    }
    return degree;
}

void Walker::emit_references(u64 address, const TypeInfo &type, bool uncounted) {
    u64 degree = 0;
    if (type.traversed != 0) {
        read_references(address, type);
        degree = write_edges(uncounted);
    } else {
        take_references(address, type, [&] { degree += write_edges(uncounted); });
    }
    columns_.out_degree.push_back(degree);
}

// The last word of a block may be a field or unused. Where many objects of a type refer to
// something from there it is a field: those come first.
void Walker::sort_trailing() {
    std::unordered_map<u64, u64> rows;  // by type and place
    const auto count_of = [&](const TrailingRow &each) -> u64 & {
        return rows[each.type << 32 | columns_.label[each.row]];
    };
    for (const TrailingRow &each : trailing_) ++count_of(each);
    for (TrailingRow &each : trailing_) each.alike = count_of(each);
    const auto is_more_usual = [](const TrailingRow &one, const TrailingRow &other) {
        return one.alike > other.alike;
    };
    std::stable_sort(trailing_.begin(), trailing_.end(), is_more_usual);
}

// References that no table vouches for. The visited ones are there, but may be owned by a part of
// the object that counts for itself. A word that was not visited is owned or borrowed: it keeps its
// target alive only where the target is counted more often than by all the others, the least sure
// of them last.
void Walker::settle_doubts() {
    sort_trailing();
    for (const TrailingRow &each : trailing_) doubtful_.push_back(each.row);
    std::unordered_map<u32, i64> counted_in;  // of the objects in doubt: they are few
    std::vector<bool> is_wanted(columns_.type.size());
    for (const std::vector<u64> *rows : {&placeless_, &doubtful_}) {
        for (const u64 row : *rows) {
            is_wanted[columns_.target[row]] = true;
            columns_.edge_flags[row] &= ~kCounted;  // until it is settled
        }
    }
    for (u64 row = 0; row < columns_.target.size() && !(placeless_.empty() && doubtful_.empty());
         ++row) {
        const u32 target = columns_.target[row];
        if (is_wanted[target] && columns_.edge_flags[row] & kCounted) ++counted_in[target];
    }
    const auto has_count_left = [&](u32 target) {
        i64 &counted = counted_in[target];
        if (!(columns_.flags[target] & kImmortal) &&
            static_cast<i64>(columns_.refcount[target]) <= counted)
            return false;
        ++counted;
        return true;
    };
    for (const u64 row : placeless_) {
        if (has_count_left(columns_.target[row])) columns_.edge_flags[row] |= kCounted;
    }
    const u32 borrowed = doubtful_.empty() ? 0 : types_.names().row("borrowed");
    for (const u64 row : doubtful_) {
        const bool holds = columns_.edge_flags[row] & kHolds;
        columns_.edge_flags[row] &= ~kHolds;
        if (has_count_left(columns_.target[row])) {
            columns_.edge_flags[row] |= kCounted;
            continue;
        }
        columns_.edge_flags[row] = kScanned;
        if (holds) continue;
        columns_.kind[row] = static_cast<u8>(EdgeKind::kWeak);
        columns_.label[row] = borrowed;
    }
    placeless_ = doubtful_ = {};
    trailing_ = {};
}

void Walker::emit_object(u64 address, const Position &at, bool is_static) {
    TypeInfo *type = types_.find(image_->u64_at(address + layout_.type));
    if (type == nullptr) return;  // cannot happen: only objects with a type become known
    u16 flags = 0;
    if (reader_.has_gc_head(address, *type)) flags |= kIsGc;
    if (is_tracked(at)) flags |= kGcTracked;
    if (reader_.is_immortal(address)) flags |= kImmortal;
    if (type->flags & type_flag::kType) flags |= kIsType;
    if (is_static) flags |= kStatic;
    if (reader_.is_interned(address, *type)) flags |= kInterned;
    const Sizes sizes = reader_.sizes(address, *type);
    columns_.type.push_back(type->row);
    // What lies in the program's own data was not allocated; nothing of it would come back.
    columns_.shallow.push_back(is_static ? 0 : sizes.shallow);
    columns_.getsizeof_.push_back(sizes.getsizeof);
    columns_.refcount.push_back(static_cast<u64>(reader_.refcount(address)));
    columns_.flags.push_back(flags);
    text_.clear();
    const bool has_preview = reader_.preview(address, *type, text_);
    columns_.preview_size.push_back(has_preview ? text_.size() + 1 : 0);
    columns_.previews.append(text_.data(), has_preview ? text_.size() : 0);
    // Code and constants frozen into the interpreter since 3.11; types count what they own.
    const bool frozen = is_static && flags & kImmortal && !type->reader->is("type");
    emit_references(address, *type, frozen);
}

void Walker::emit(const AddressRange *statics, u64 static_count) {
    number_objects();
    columns_ = Columns{};
    make_ages();
    reader_.begin_second_pass();
    reader_.share_blocks(std::move(block_owners_));
    u64 range = 0, done = 0;
    each_object([&](u64 address, const Position &at) {
        while (range < static_count && statics[range].end <= address) ++range;
        emit_object(address, at, range < static_count && statics[range].start <= address);
        if ((++done & (kProgressStep - 1)) == 0) progress_.store(done, std::memory_order_relaxed);
    });
    settle_doubts();
    counts_.objects = columns_.type.size();
    counts_.references = columns_.target.size();
    counts_.names = types_.names().names().size();
    counts_.types = types_.types().size();
    counts_.bytes_read = image_->bytes_read();
    counts_.bytes_unreadable = image_->bytes_unreadable();
    counts_.shared_tables = reader_.shared_tables();
    counts_.left_out +=
        reader_.tables_left_out() + (image_->bytes_left_out() + kBlockBytes - 1) / kBlockBytes;
    progress_.store(done, std::memory_order_relaxed);
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
