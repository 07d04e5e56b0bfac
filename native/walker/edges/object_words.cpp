#include "walker/edges/object_words.hpp"

#include <algorithm>
#include <string_view>

#include "walker/blocks/allocators.hpp"
#include "walker/image/processor.hpp"

namespace heapgraph {
namespace {

// Objects whose memory is known to the last byte: texts, numbers, containers, and what only shows
// the memory of others. A pointer in them leads to a buffer of their own, or to nothing of theirs.
constexpr std::string_view kKnown[] = {
    "str",       "bytes",   "bytearray", "int",        "float",       "list",
    "tuple",     "dict",    "set",       "type",       "code",        "frame",
    "generator", "weakref", "deque",     "memoryview", "datetime",    "array",
    "decimal",   "element", "items",     "lru_cache",  "ordered_dict"};
constexpr u64 kSmallRequest = 512;   // a larger one goes to malloc
constexpr u64 kFarthestHead = 48;    // from a chunk's first byte to an object in it
constexpr u64 kMostFollowed = 4096;  // bytes of a buffer that is a part of a list of such
// What a chunk may have beyond what was asked for; pages, where it has a mapping of its own.
constexpr u64 kSlack = 64, kMappedSlack = kPage + 32, kSmallestMapped = 128 << 10;
// Allocators with slabs have four size classes to each power of two: a fifth is not asked for.
constexpr u64 kClassSlack = 5;
constexpr u64 kMostScanned = 1 << 20;  // of one object
constexpr u64 kMostHandles = 1 << 20;
// An address has 47 bits, so an int two digits; one in a program that lies below 1 GiB.
constexpr u64 kAddressDigits = 2, kDigitBytes = 4;
constexpr unsigned kDigitBits = 30, kTagBits = 3;  // since 3.12 their number stands above a tag

constexpr std::string_view kView = "managedbuffer";  // what memoryviews of one object share

bool is_known(const TypeInfo &type) {
    return type.tp_name == kView ||
           std::any_of(std::begin(kKnown), std::end(kKnown),
                       [&](std::string_view name) { return type.reader->is(name); });
}

}  // namespace

// A class statement without a C base adds no C struct: its instances have names and objects only.
ObjectWords::ObjectWords(Walker &walker, ChunkMap &chunks) : walker_(walker), chunks_(chunks) {
    // A base may be learned here: the list grows meanwhile.
    for (u64 row = 0; row < walker.types().types().size(); ++row) {
        const TypeInfo *type = walker.types().types()[row].get(), *base = type;
        if (type->is_python_class) base = walker.types().find(type->builtin_base);
        const bool is_plain = base == nullptr || base->tp_name == "object";
        has_words_.push_back(!is_plain && !is_known(*type));
        is_int_.push_back(type->tp_name == "int" && type->reader->is("int"));
        knows_buffers_.push_back(type->reader != &plain_reader || !type->buffers.empty() ||
                                 type->blocks.has_bytes());
        // What varies in length has its items in itself.
        knows_small_.push_back(knows_buffers_.back() && type->itemsize == 0 &&
                               !type->reader->is("str"));
    }
}

void ObjectWords::mark(bool has_small) {
    const Columns &columns = walker_.columns();
    walker_.each_object([&](u64 object, const Position &) { mark_object(object); });
    u32 id = 0;
    walker_.each_object([&](u64 object, const Position &) {
        const u32 at = id++, row = columns.type[at];
        if (row >= knows_buffers_.size() || !knows_buffers_[row]) return;
        if (const TypeInfo &type = *walker_.types().types()[row];
            (has_small && knows_small_[row]) || columns.shallow.data()[at] > kSmallRequest ||
            !type.buffers.empty())
            mark_buffers(at, object, type, columns.shallow[at]);
    });
}

// An object begins its chunk; one farther inside is a part of a structure of C code.
void ObjectWords::mark_object(u64 object) {
    const Pointer place = chunks_.find(object);
    if (place.chunk == kNoChunk) return;
    for (u64 head = 0; head <= kFarthestHead; head += 8) {
        if (chunks_.headed(object - head - kChunkHeader) == place.chunk)
            return chunks_.set_use(place.chunk, ChunkUse::kObject);
    }
}

// Bytes of its shallow size that do not lie where the object lies.
u64 ObjectWords::known_outside(u64 object, const TypeInfo &type, u64 shallow) {
    const Pointer place = chunks_.find(object);
    u64 here = (type.is_gc ? kGcHead : 0) + type.preheader + type.basicsize;
    if (place.chunk != kNoChunk && chunks_.use(place.chunk) == ChunkUse::kObject)
        here = std::max(here, chunks_.size(place.chunk));
    return shallow > here ? shallow - here : 0;
}

// Follows pointers to the starts of blocks until all known bytes are found: one table of a dict,
// one block after the other of a deque. Each step finds some, so it ends. What stands in front of
// the object leads to its attributes.
void ObjectWords::mark_buffers(u32 id, u64 object, const TypeInfo &type, u64 shallow) {
    u64 left = known_outside(object, type, shallow);
    const bool may_be_small = knows_small_[walker_.columns().type[id]];
    if (left == 0 || type.basicsize <= 0) return;
    mark_ruled(object, type, left);
    const u64 head = (type.is_gc ? kGcHead : 0) + static_cast<u64>(type.preheader);
    std::vector<AddressRange> waiting{{object - head, object + type.basicsize}};
    while (!waiting.empty() && left != 0) {
        const AddressRange range = waiting.back();
        waiting.pop_back();
        const View words = walker_.image().view(range.start, range.end - range.start);
        for (u64 at = 0; at + 8 <= words.size() && left != 0; at += 8) {
            AddressRange buffer;
            if (!take_buffer(words.u64_at(at), left, may_be_small, buffer)) continue;
            const u64 size = buffer.end - buffer.start;
            left -= std::min(left, size);
            if (size <= kMostFollowed) waiting.push_back(buffer);
        }
    }
}

// Where a rule says where a buffer is: the others are looked for among the other words.
void ObjectWords::mark_ruled(u64 object, const TypeInfo &type, u64 &left) {
    if (type.buffers.empty()) return;
    const View view = walker_.image().view(object, type.basicsize);
    for (const BufferRule &rule : type.buffers) {
        const KnownBuffer known = walker_.reader().buffer_at(object, type, view, rule);
        if (AddressRange buffer;
            known.size != 0 && take_buffer(known.start, known.size, true, buffer))
            left -= std::min(left, known.size);
    }
}

// What a word leads to, when it may be of so many bytes and is nobody's yet.
bool ObjectWords::take_buffer(u64 address, u64 left, bool may_be_small, AddressRange &buffer) {
    SmallBlocks &small = chunks_.small_blocks();
    if (const SmallBlock block = small.find(address); block.size != 0) {
        // What CPython asks for in front of a table (the values of instances) is a part of it.
        if (!may_be_small || block.size > left + kSlack) return false;
        small.remove(block.start);
        buffer = {block.start, block.start + block.size};
        return true;
    }
    const Pointer pointer = chunks_.find(address);
    if (pointer.chunk == kNoChunk || chunks_.use(pointer.chunk) != ChunkUse::kNative) return false;
    // An aligned buffer begins inside of its chunk.
    const u64 size = chunks_.size(pointer.chunk);
    const u64 slack = chunks_.is_of_slab(pointer.chunk) ? size / kClassSlack + kSlack
                      : size < kSmallestMapped          ? kSlack
                                                        : kMappedSlack;
    if (pointer.aim == Aim::kNothing || size > left + slack ||
        (pointer.aim != Aim::kStart && size < kMostFollowed))
        return false;
    chunks_.set_use(pointer.chunk, ChunkUse::kBuffer);
    buffer = {address, address + size - kChunkHeader};
    return true;
}

std::vector<Entry> ObjectWords::entries(u64 most) {
    std::vector<Entry> found;
    const Columns &columns = walker_.columns();
    u32 id = 0;
    walker_.each_object([&](u64 object, const Position &) {
        const u32 at = id++, row = columns.type[at];
        if (found.size() >= most) return;
        if (row < is_int_.size() && is_int_[row]) scan_int(at, object);
        if (!has_words(at)) return;
        scan(at, object, *walker_.types().types()[row], found);
    });
    return found;
}

void ObjectWords::scan(u32 id, u64 object, const TypeInfo &type, std::vector<Entry> &out) {
    each_word(object, type, [&](u64 address) {
        const Pointer pointer = chunks_.find(address);
        if (pointer.chunk == kNoChunk) {
            if (is_handle(address) && handles_.size() < kMostHandles)
                handles_.emplace_back(address, id);
        } else if (chunks_.use(pointer.chunk) == ChunkUse::kNative &&
                   pointer.aim != Aim::kNothing) {
            out.push_back({id, make_target(pointer)});
        }
    });
}

// Callers of ctypes keep what malloc returned as an int.
void ObjectWords::scan_int(u32 id, u64 object) {
    const Layout &layout = walker_.reader().layout();
    const u64 bytes = layout.long_digit + kAddressDigits * kDigitBytes;
    const View view = walker_.image().view(object, bytes);
    if (view.size() < bytes) return;
    u64 digits = static_cast<u64>(view.i64_at(layout.long_tag));  // of a negative one, too many
    if (layout.kinds.int_size == kind::int_size::tagged) {
        if (digits % (1 << kTagBits) != 0) return;
        digits >>= kTagBits;
    }
    if (digits == 0 || digits > kAddressDigits) return;
    u64 value = view.u32_at(layout.long_digit);
    if (digits == kAddressDigits)
        value |= u64{view.u32_at(layout.long_digit + kDigitBytes)} << kDigitBits;
    const Pointer pointer = chunks_.find(value);
    if (pointer.chunk == kNoChunk || chunks_.use(pointer.chunk) != ChunkUse::kNative) return;
    if (pointer.aim != Aim::kStart)
        ++other_ints_;
    else if (ints_.size() < kMostHandles)
        ints_.push_back({id, make_target({pointer.chunk, Aim::kDoubtful})});
}

// Numbers like any others, as many as there are, lead into blocks more often than to their first
// bytes: then none of them is believed to be an address.
void ObjectWords::add_ints(std::vector<Entry> &entries) const {
    if (ints_.size() > other_ints_) entries.insert(entries.end(), ints_.begin(), ints_.end());
}

// A struct that varies in length, or may be longer than its type says, goes on to the end of the
// block it lies in.
u64 ObjectWords::end_of_block(u64 object, const TypeInfo &type) {
    const u64 end = object + std::min<u64>(type.basicsize, kMostScanned);
    if (type.itemsize == 0 && !type.may_go_on) return end;
    const u64 head = (type.is_gc ? kGcHead : 0) + type.preheader;
    const u64 size = block_bytes(walker_.image(), walker_.reader().layout(), object - head);
    return std::max(end, object - head + std::min(size, kMostScanned));
}

std::vector<u64> ObjectWords::handles() const {
    std::vector<u64> found;
    for (const auto &[number, object] : handles_) found.push_back(number);
    std::sort(found.begin(), found.end());
    found.erase(std::unique(found.begin(), found.end()), found.end());
    return found;
}

void ObjectWords::add_handles(std::vector<std::pair<u64, u32>> found,
                              std::vector<Entry> &entries) const {
    std::sort(found.begin(), found.end());
    const auto below = [](const auto &pair, u64 number) { return pair.first < number; };
    for (const auto &[number, object] : handles_) {
        const auto first = std::lower_bound(found.begin(), found.end(), number, below);
        if (first == found.end() || first->first != number) continue;
        const auto next = first + 1;
        if (next == found.end() || next->first != number)
            entries.push_back({object, make_target({first->second, Aim::kStart})});
    }
}

}  // namespace heapgraph
