/**
 * Key files as pyzmq makes them, and a camera on pyzmq that uses them.
 *
 * @module
 */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { PYTHON } from "../../../scripts/lib/available.ts";

function python(code: string, ...args: readonly string[]): string {
  const { success, stdout, stderr } = Bun.spawnSync([PYTHON, "-c", code, ...args]);
  if (!success) throw new Error(`${PYTHON} failed: ${stderr.toString()}`);
  return stdout.toString();
}

/**
 * `zmq.auth.create_certificates`: makes NAME.key and NAME.key_secret in a directory, which it
 * creates.
 */
export function createCertificates(directory: string, name: string): void {
  mkdirSync(directory, { recursive: true });
  python(
    "import sys, zmq.auth; zmq.auth.create_certificates(sys.argv[1], sys.argv[2])",
    directory,
    name,
  );
}

const loadedSchema = z.tuple([z.string(), z.string().nullable()]);

/** `zmq.auth.load_certificate`: the public key of a file, and the secret one or null. */
export function loadCertificate(file: string): [publicKey: string, secretKey: string | null] {
  const code =
    "import json, sys, zmq.auth; " +
    "print(json.dumps([key and key.decode() for key in zmq.auth.load_certificate(sys.argv[1])]))";
  return loadedSchema.parse(JSON.parse(python(code, file)));
}

/** The keys of a camera, and what it sends. */
export interface CurvePeerOptions {
  /** Field 0 of its text. */
  readonly node: string;
  readonly port: number;
  /** Its own keys, a file NAME.key_secret; without them it uses no CURVE. */
  readonly keys?: string;
  /** The key that it takes for the hub's, in Z85. */
  readonly serverKey?: string;
  /**
   * When its keys are set: before it connects (default). A sender of imagezmq connects when it is
   * made: its keys are set `late`, or between disconnecting and connecting `again`.
   */
  readonly way?: "plain" | "late" | "again";
}

/** A process that sends one image. It tries until it has its answer, or its scope ends. */
export class CurvePeer implements AsyncDisposable {
  /** The reply; empty if it was ended before. */
  readonly reply: Promise<string>;
  /** Whether there was a reply. */
  isAnswered = false;
  readonly #process: Bun.Subprocess<"ignore", "pipe", "inherit">;

  constructor({ node, port, keys, serverKey, way = "plain" }: CurvePeerOptions) {
    const options = {
      endpoint: `tcp://127.0.0.1:${port}`,
      text: `${node}|jpg|`,
      size: 1000,
      way,
      ...(keys !== undefined && { keys, server_key: serverKey }),
    };
    this.#process = Bun.spawn(
      [PYTHON, join(import.meta.dir, "curve_peer.py"), JSON.stringify(options)],
      {
        stdio: ["ignore", "pipe", "inherit"],
      },
    );
    this.reply = this.#process.stdout.text().then((text) => {
      this.isAnswered = text !== "";
      return text.trim();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.exited;
    await this.reply;
  }
}
