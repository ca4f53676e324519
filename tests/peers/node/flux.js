// Judges Flux with the language server that InfluxData ships for InfluxDB 2: node flux.js FILE...
//
// It knows the types of Flux's own functions, so an argument that one does not take is found without running anything.
// The package is made for bundlers: its script imports the WebAssembly beside it, which is handed in here instead.
// Exits with 1 and the names of the files that are not valid.
const { readFileSync } = require("node:fs");

const script = require.resolve("@influxdata/flux-lsp-browser/flux-lsp-browser_bg.js");
const source = readFileSync(script, "utf8")
    .replace(/^import \* as wasm .*$/m, "let wasm; export const use = (exports) => { wasm = exports; };")
    // Views of a memory that is not there yet; each is made again when it is empty.
    .replace(/^(cached\w+Memory0) = .*$/gm, "$1 = new Uint8Array();");

async function main(files) {
    const flux = await import("data:text/javascript," + encodeURIComponent(source));
    const machine = readFileSync(script.replace(/\.js$/, ".wasm"));
    const { instance } = await WebAssembly.instantiate(machine, { "./flux-lsp-browser_bg.js": flux });
    flux.use(instance.exports);
    const invalid = files.filter((file) => !new flux.Flux(readFileSync(file, "utf8")).is_valid());
    invalid.forEach((file) => console.error(`${file} is not valid Flux`));
    process.exit(invalid.length > 0 ? 1 : 0);
}

main(process.argv.slice(2));
