/**
 * The network between a hub and its S3 store, which fails when it is told to.
 *
 * @module
 */

import { connect, type Socket } from "node:net";
import { listenTcp, type TcpServer } from "./tcp-server.ts";

/**
 * `refuse` ends each connection, `stall` keeps them open and passes nothing, `hold` keeps what
 * comes until it may pass.
 */
export type LinkMode = "pass" | "refuse" | "stall" | "hold";

/** A link on 127.0.0.1. */
export class StoreLink implements AsyncDisposable {
  /** The first line of each request that went through, such as `PUT /bucket/key HTTP/1.1`. */
  readonly requests: string[] = [];
  private readonly sockets = new Set<Socket>();
  /** What was held, in its order. */
  private readonly held: (() => void)[] = [];
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

  /** What is open ends, unless it stalls or is held from now on, or was held until now. */
  become(mode: LinkMode): void {
    const keeps = mode === "stall" || mode === "hold" || this.mode === "hold";
    this.mode = mode;
    if (!keeps) for (const socket of this.sockets) socket.destroy();
    if (mode === "pass") for (const pass of this.held.splice(0)) pass();
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
    near.on("data", (bytes) =>
      this.carry(() => {
        const lines = bytes.toString("latin1").match(/^[A-Z]+ \/\S+ HTTP\/1\.1$/gmu);
        this.requests.push(...(lines ?? []));
        far.write(bytes);
      }),
    );
    far.on("data", (bytes) => this.carry(() => near.write(bytes)));
  }

  private carry(pass: () => void): void {
    if (this.mode === "pass") pass();
    else if (this.mode === "hold") this.held.push(pass);
  }
}
