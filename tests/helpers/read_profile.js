// Reads a gzipped profile with the package that the clients of Pyroscope and Datadog use, and says what it has.
//   node read_profile.js FOLDER_WITH_NODE_MODULES PROFILE
const { createRequire } = require("module");
const fs = require("fs");
const zlib = require("zlib");
const [folder, file] = process.argv.slice(2);
const { Profile } = createRequire(folder + "/")("pprof-format");

const profile = Profile.decode(zlib.gunzipSync(fs.readFileSync(file)));
const text = (index) => profile.stringTable.strings[Number(index)];
const functions = new Map(profile.function.map((each) => [String(each.id), text(each.name)]));
const names = new Map(
  profile.location.map((each) => [String(each.id), functions.get(String(each.line[0].functionId))]),
);
const cumulative = {};
for (const sample of profile.sample) {
  const stack = new Set(sample.locationId.map((id) => names.get(String(id))));
  for (const name of stack) {
    cumulative[name] = (cumulative[name] ?? 0) + Number(sample.value[1]);
  }
}
const types = profile.sampleType.map((each) => `${text(each.type)}/${text(each.unit)}`);
console.log(JSON.stringify({ types, cumulative }));
