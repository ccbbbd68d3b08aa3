import { expect, test } from "bun:test";
import { CHECKOUT } from "../../scripts/lib/available.ts";

/** What a process says that may have so many files open. */
function withLimit(files: number): unknown {
  const script = `
    const { descriptorsMax, httpConnectionsThatFit, sendersThatFit } = await import("./src/os/open-files.ts");
    console.log(JSON.stringify([descriptorsMax(), httpConnectionsThatFit(), sendersThatFit(0), sendersThatFit(2), sendersThatFit(2, 2)]));`;
  const { stdout } = Bun.spawnSync(
    ["prlimit", `--nofile=${files}`, process.execPath, "-e", script],
    { cwd: CHECKOUT },
  );
  return JSON.parse(stdout.toString());
}

test.each([
  [1024, [1024, 128, 848, 840, 552]],
  [4096, [4096, 256, 3792, 3784, 3496]],
  // Few, but never none.
  [100, [100, 16, 36, 28, 1]],
  [60, [60, 16, 1, 1, 1]],
])("of %d open files there are so many for HTTP and for senders", (files, expected) => {
  expect(withLimit(files)).toEqual(expected);
});
