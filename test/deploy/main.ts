/**
 * `npm run deploy-test`: boots a Debian with systemd in a container, deploys to it with the Ansible
 * role over SSH while senders send, and prints one table with the result of each step. It needs
 * root, and what `scripts/test-deps.ts deploy` installs.
 *
 *     npm run deploy-test -- [--short] [--emulated] [--verbose]
 *
 * `--emulated` boots a Debian for arm64 on another machine, under qemu's user-mode emulation; the
 * first time takes some minutes more. `--short` skips what an installation, an update and a broken
 * version do not need.
 *
 * The exit status is 1 if a step has a wrong result or an acknowledged message is lost.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { deploySteps } from "./steps.ts";
import { exitOnSignals } from "../../scripts/lib/at-exit.ts";

const { values } = parseArgs({
  options: {
    short: { type: "boolean", default: false },
    emulated: { type: "boolean", default: false },
    verbose: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log("Usage: npm run deploy-test -- [--short] [--emulated] [--verbose]");
  process.exit(0);
}
exitOnSignals();
const started = performance.now();
const native = process.arch === "arm64" ? "arm64" : "x64";
const foreign = native === "arm64" ? "x64" : "arm64";
const architecture = values.emulated ? foreign : native;
const lines = await deploySteps({ ...values, architecture });
console.log("\n| step | what it printed | s | |\n|---|---|---|---|");
for (const { step, printed, seconds, ok } of lines) {
  console.log(
    `| ${step} | ${printed.replaceAll("|", String.raw`\|`)} | ${seconds} | ${ok ? "ok" : "FAILED"} |`,
  );
}
const failed = lines.filter(({ ok }) => !ok).length;
const minutes = ((performance.now() - started) / 60_000).toFixed(1);
console.log(`\n${lines.length} steps on ${architecture} in ${minutes} min, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);
