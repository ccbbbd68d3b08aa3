/**
 * What has to be undone however the process ends: mounts, and processes that were started. At
 * Ctrl-C and SIGTERM the process exits, and at its exit all is undone in reverse order.
 *
 * @module
 */

const pending = new Set<() => void>();

/** Does `undo` at the exit of the process. @returns what does it now, once */
export function atExit(undo: () => void): () => void {
  const entry = (): void => {
    if (pending.delete(entry)) undo();
  };
  pending.add(entry);
  return entry;
}

process.on("exit", () => {
  for (const undo of [...pending].toReversed()) {
    try {
      undo();
    } catch (error) {
      console.error(error);
    }
  }
});

/** Makes signals end the process by way of its exit. `bun test` has its own ways. */
export function exitOnSignals(): void {
  for (const [signal, status] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const)
    process.once(signal, () => process.exit(status));
}

/** Runs a command that does not take long. @throws {Error} with what it said */
export function command(...words: readonly string[]): string {
  const { success, stdout, stderr } = Bun.spawnSync([...words], {
    stdin: "ignore",
    timeout: 60_000,
  });
  if (!success) throw new Error(`${words.join(" ")}: ${stderr.toString().trim() || "failed"}`);
  return stdout.toString();
}
