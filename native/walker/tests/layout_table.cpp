// Reads the tables that scripts/write_walker_tables.py writes; the lines are explained there.
#include "layout_table.hpp"

#include <fstream>
#include <sstream>

#include "check.hpp"

namespace heapgraph::test {
namespace {

// The words of a line, one after the other.
class Words {
public:
    explicit Words(const std::string &line) : line_(line) {}

    std::string text() {
        std::string word;
        CHECK(std::getline(line_, word, '\t'));
        return word;
    }
    i64 number() { return std::stoll(text()); }

private:
    std::istringstream line_;
};

NamedRule read_rule(Words &words) {
    NamedRule named{words.text(), {}, {}};
    named.rule.reader = find_reader(words.text());
    CHECK(named.rule.reader != nullptr);
    named.rule.scan_from = words.number();
    return named;
}

void read_field(Words &words, NamedRule &named) {
    const i64 offset = words.number();
    const auto kind = static_cast<EdgeKind>(words.number());
    named.rule.fields.push_back({offset, 0, kind, static_cast<u8>(words.number())});
    named.field_names.push_back(words.text());
}

BufferRule read_buffer(Words &words) {
    const i64 pointer = words.number(), count = words.number();
    const auto how = static_cast<BufferCount>(words.number());
    const i64 item_size = words.number(), flag = words.number();
    return {pointer, count, how, item_size, flag, words.number() != 0};
}

BlockRule read_blocks(Words &words) {
    BlockRule blocks;
    for (u8 *number :
         {&blocks.depth, &blocks.raw_depth, &blocks.contents, &blocks.reference_depth}) {
        *number = static_cast<u8>(words.number());
    }
    return blocks;
}

}  // namespace

// HEAPGRAPH_TABLES is the folder that the build had them written to.
LayoutTable read_layout(int minor, int micro) {
    std::ifstream file(HEAPGRAPH_TABLES "/3." + std::to_string(minor) + "." +
                       std::to_string(micro));
    LayoutTable table;
    for (std::string line; std::getline(file, line);) {
        Words words(line);
        const std::string kind = words.text();
        if (kind == "offset") {
            const std::string name = words.text();
            table.fields[name] = words.number();
        } else if (kind == "rule") {
            table.rules.push_back(read_rule(words));
        } else if (kind == "field") {
            read_field(words, table.rules.back());
        } else if (kind == "buffer") {
            table.rules.back().rule.buffers.push_back(read_buffer(words));
        } else {
            CHECK(kind == "blocks");
            table.rules.back().rule.blocks = read_blocks(words);
        }
    }
#define HEAPGRAPH_TAKE(member, name) table.layout.member = table.at(name);
    HEAPGRAPH_LAYOUT_FIELDS(HEAPGRAPH_TAKE)
#undef HEAPGRAPH_TAKE
#define HEAPGRAPH_TAKE(name, ...) table.layout.kinds.name = table.at("kind." #name);
    HEAPGRAPH_KINDS(HEAPGRAPH_TAKE)
#undef HEAPGRAPH_TAKE
    CHECK(table.fields.size() > 100 && table.rules.size() > 100);
    CHECK_EQUAL(table.layout.version, 0x030000 | minor << 8 | micro);
    return table;
}

void LayoutTable::add_rules(TypeTable &types) const {
    for (const NamedRule &named : rules) {
        TypeRule rule = named.rule;
        for (u64 i = 0; i < rule.fields.size(); ++i)
            rule.fields[i].name = types.names().row(named.field_names[i]);
        types.add_rule(named.tp_name, std::move(rule));
    }
}

}  // namespace heapgraph::test
