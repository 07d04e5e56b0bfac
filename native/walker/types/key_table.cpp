#include "walker/types/key_table.hpp"

namespace heapgraph {
namespace {

u64 usable_share(u64 size) { return (size << 1) / 3; }  // USABLE_FRACTION of Objects/dictobject.c

}  // namespace

KeyTable read_key_table(MemoryImage &memory, const Layout &layout, u64 address) {
    KeyTable table;
    const View head = memory.view(address, layout.dk_indices);
    if (!head) return table;
    table.address = address;
    table.refcount = head.i64_at(layout.dk_refcnt);
    table.count = head.u64_at(layout.dk_nentries);
    u64 index_bytes, room;  // entries that the block was made for
    if (present(layout.dk_log2_index_bytes)) {
        index_bytes = 1ull << (head.u8_at(layout.dk_log2_index_bytes) & 63);
        room = usable_share(1ull << (head.u8_at(layout.dk_log2_size) & 63));
        table.capacity = table.count + head.u64_at(layout.dk_usable);
        table.has_only_str = head.u8_at(layout.dk_kind) != 0;
        if (table.has_only_str)
            table.stride = 16, table.key_offset = 0, table.value_offset = 8;  // no hash
    } else {
        const u64 size = head.u64_at(layout.dk_size);
        index_bytes = size * (size <= 0xff            ? 1
                              : size <= 0xffff        ? 2
                              : size <= 0xffffffffull ? 4
                                                      : 8);
        room = table.capacity = usable_share(size);
        table.lookup = head.u64_at(layout.dk_lookup);
    }
    table.entries = address + layout.dk_indices + index_bytes;
    table.bytes = layout.dk_indices + index_bytes + room * table.stride;
    return table;
}

}  // namespace heapgraph
