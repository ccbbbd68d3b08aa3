/**
 * The network between a hub and its S3 store, which fails when it is told to.
 *
 * @module
 */

import { connect, type Socket } from "node:net";
import { listenTcp, type TcpServer } from "./tcp-server.ts";

/** `refuse` ends each connection, `stall` keeps them open and passes nothing. */
export type LinkMode = "pass" | "refuse" | "stall";

/** A link on 127.0.0.1. */
export class StoreLink implements AsyncDisposable {
  /** The first line of each request that went through, such as `PUT /bucket/key HTTP/1.1`. */
  readonly requests: string[] = [];
  private readonly sockets = new Set<Socket>();
  private mode: LinkMode = "pass";
  private server!: TcpServer;

  private constructor(private readonly storePort: number) {}

  /** Starts it. */
  static async start(storePort: number, mode: LinkMode = "pass"): Promise<StoreLink> {
    const link = new StoreLink(storePort);
    link.mode = mode;
    link.server = await listenTcp((socket) => link.take(socket));
    return link;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.server.port}`;
  }

  /** What is open ends, unless it stalls from now on. */
  become(mode: LinkMode): void {
    this.mode = mode;
    if (mode !== "stall") for (const socket of this.sockets) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
  }

  private take(near: Socket): void {
    if (this.mode === "refuse") return void near.destroy();
    const far = connect(this.storePort, "127.0.0.1");
    for (const socket of [near, far]) {
      this.sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        this.sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    near.on("data", (bytes) => {
      if (this.mode !== "pass") return;
      this.requests.push(...(bytes.toString("latin1").match(/^[A-Z]+ \/\S+ HTTP\/1\.1$/gmu) ?? []));
      far.write(bytes);
    });
    far.on("data", (bytes) => {
      if (this.mode === "pass") near.write(bytes);
    });
  }
}
