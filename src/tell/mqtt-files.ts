/**
 * The options of each connection to the broker, from files that a network mount may hold back: then
 * what was read last is used.
 *
 * @module
 */

import { readFile } from "node:fs/promises";
import type { IClientOptions } from "mqtt";
import { connectionNotes, connectionOptions, type MqttSettings } from "./mqtt-options.ts";

/** How long the files may take, in milliseconds. */
const READ_MS_MAX = 5000;

/** The files of one broker. */
export class MqttFiles {
  private reading: Promise<void> | undefined;
  private last: IClientOptions | undefined;

  /**
   * @param warn is told once what is worth knowing about the files
   * @param late resolves when they have taken too long
   */
  constructor(
    private readonly mqtt: MqttSettings,
    private readonly warn: (note: string) => void,
    private readonly late: () => Promise<void> = async () => await Bun.sleep(READ_MS_MAX),
  ) {}

  /** Reads them anew. Rejects with what is wrong, or if they take too long the first time. */
  async options(): Promise<IClientOptions> {
    const { mqtt, warn } = this;
    // One at a time: each that hangs holds one of the few threads of the runtime.
    this.reading ??= readAll(mqtt).finally(() => (this.reading = undefined));
    const isRead = await Promise.race([
      this.reading.then(() => true),
      this.late().then(() => false),
    ]);
    if (isRead) {
      // Waits for nothing: the system has just read them.
      const options = connectionOptions(mqtt);
      if (this.last === undefined) for (const note of connectionNotes(mqtt)) warn(note);
      this.last = options;
    }
    if (this.last === undefined)
      throw new Error("Its files cannot be read: their disk does not respond");
    return this.last;
  }
}

/** Never rejects. */
async function readAll({ password_file, ca, certificate, key }: MqttSettings): Promise<void> {
  for (const file of [password_file, ca, certificate, key])
    // Those who need what is in it say what is wrong with it.
    if (file !== "") await readFile(file).catch(() => undefined);
}
