import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { CHECKOUT } from "../../scripts/lib/available.ts";

const transpiler = new Bun.Transpiler({ loader: "ts" });

/** All files that one imports, and theirs, but for imports of types. */
function importedBy(file: string, found = new Set<string>()): Set<string> {
  found.add(file);
  for (const { path } of transpiler.scanImports(readFileSync(file, "utf8"))) {
    const imported = join(dirname(file), path);
    if (path.startsWith(".") && path.endsWith(".ts") && !found.has(imported))
      importedBy(imported, found);
  }
  return found;
}

// Each thread that loads it has a copy of it in memory, and its functions compiled: 3 MB.
test.each(["writer-thread", "flusher-thread"])("%s does not load libzmq", (thread) => {
  const files = [...importedBy(join(CHECKOUT, `src/threads/${thread}.ts`))];
  const rooms = new Set(files.map((file) => relative(CHECKOUT, file).split("/")[1]));
  expect(rooms).toContain("store");
  expect(rooms).not.toContain("zmq");
});
