/**
 * Decides who may send: by address, by key, and by how fast connections come. It decides before
 * libzmq gives a connection a routing id, so peers that are refused cannot take one.
 *
 * @module
 */

import type { Settings } from "../config/schema.ts";
import { readKeyPair, readPublicKeys } from "../zmq/certificate.ts";
import { type Context, type Socket, SocketOption, TextOption } from "../zmq/socket.ts";
import { AddressList } from "../net/access.ts";
import { Arrivals, PER_SECOND } from "./arrivals.ts";
import { Authenticator, type Peer, type Refusal, ZAP_DOMAIN } from "./authenticator.ts";

/**
 * How often all permitted connections may reconnect at once from one address, for example after its
 * link or its power failed.
 */
const HERDS = 2;

/** Minimum of that burst, whatever the settings say: people experiment. */
const BURST_MIN = 1000;

/** The settings for who may send. */
export type GatekeeperSettings = Pick<Settings, "allow" | "curve" | "max_connections">;

/** Accepts permitted connections only. */
export class Gatekeeper implements Disposable {
  /** Asks and answers for libzmq; to be polled. */
  readonly authenticator: Authenticator;
  private readonly addresses: AddressList;
  private readonly arrivals: Arrivals;
  private keys: Set<string> | undefined;

  /**
   * Guards a socket that is not bound yet.
   *
   * @param onRefused called with each refused connection and the reason
   * @throws {Error} if a key cannot be read
   */
  constructor(
    context: Context,
    socket: Socket,
    private readonly settings: GatekeeperSettings,
    onRefused: (peer: Peer, refusal: Refusal) => void,
  ) {
    const { allow, curve, max_connections } = settings;
    this.addresses = new AddressList(allow);
    this.arrivals = new Arrivals(Math.max(HERDS * max_connections, BURST_MIN));
    this.reload();
    this.authenticator = new Authenticator(context, (peer) => this.whyNot(peer), onRefused);
    socket.setText(TextOption.zapDomain, ZAP_DOMAIN);
    socket.set(SocketOption.zapEnforceDomain, 1);
    if (curve.server_key !== "") {
      socket.set(SocketOption.curveServer, 1);
      socket.setText(TextOption.curveSecretKey, readKeyPair(curve.server_key).secretKey);
    }
  }

  /**
   * Reads the clients' keys again. They apply to new connections.
   *
   * @returns the number of keys
   * @throws {Error} if one cannot be read; then the old ones stay in force
   */
  reload(): number {
    const { client_keys: directory } = this.settings.curve;
    if (directory !== "") this.keys = readPublicKeys(directory);
    return this.keys?.size ?? 0;
  }

  private whyNot(peer: Peer): Refusal | undefined {
    const reason = this.reasonAgainst(peer);
    if (reason !== undefined) return { reason, isForNow: false };
    if (this.arrivals.admit(peer.address, performance.now())) return undefined;
    return {
      reason: `more than ${PER_SECOND} a second come from its address; it may try again`,
      isForNow: true,
    };
  }

  private reasonAgainst({ address, key }: Peer): string | undefined {
    if (!this.addresses.allows(address)) return "its address is not in allow";
    if (this.keys === undefined) return undefined;
    if (key === undefined) return "it shows no CURVE key";
    return this.keys.has(key) ? undefined : "its key is not in client_keys";
  }

  [Symbol.dispose](): void {
    this.authenticator[Symbol.dispose]();
  }
}
