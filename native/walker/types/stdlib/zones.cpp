// zoneinfo.ZoneInfo: the offsets from UTC that a zone ever had lie in an array of structs.
#include "walker/types/heap_reader.hpp"

namespace heapgraph {
namespace {

constexpr u64 kMaxOffsets = 256;  // a byte of the file is their number

// No traverse function visits them.
void zone_references(HeapReader &reader, u64 object, const TypeInfo &type, EdgeList &out) {
    const Layout &layout = reader.layout();
    if (!present(layout.zone_offsets)) return;
    const View view = reader.body(object, type);
    const u64 count = view.u64_at(layout.zone_offsets_count);
    if (count > kMaxOffsets) return;
    const u64 size = layout.zone_offset_size;
    const u64 table = view.u64_at(layout.zone_offsets);
    const u64 utcoff = reader.name("utcoff"), dstoff = reader.name("dstoff"),
              tzname = reader.name("tzname");
    reader.each_part(object, table, count * size, size, [&](View part, u64) {
        for (u64 at = 0; at + size <= part.size(); at += size) {
            out.add(part.u64_at(at + layout.zone_utcoff), EdgeKind::kField, utcoff, kCounted);
            out.add(part.u64_at(at + layout.zone_dstoff), EdgeKind::kField, dstoff, kCounted);
            out.add(part.u64_at(at + layout.zone_tzname), EdgeKind::kField, tzname, kCounted);
        }
    });
}

}  // namespace

extern const TypeReader zone_info_reader{.name = "zone_info", .references = zone_references};

}  // namespace heapgraph
