/**
 * Who may send, put into force on a socket: by address, by key, and by how fast connections come.
 * It is asked before libzmq gives a connection a routing id, so that nobody who is not let in can
 * take one.
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
 * How often all connections that may stand may come again at once from one address, as when its
 * link was gone, or power.
 */
const HERDS = 2;

/**
 * Connections that may come at once from one address, whatever the settings say: people try things.
 */
const BURST_MIN = 1000;

/** The settings that say who may send. */
export type GatekeeperSettings = Pick<Settings, "allow" | "curve" | "max_connections">;

/** Lets in who is allowed. */
export class Gatekeeper implements Disposable {
  /** Asks and answers for libzmq; for a poller. */
  readonly authenticator: Authenticator;
  private readonly addresses: AddressList;
  private readonly arrivals: Arrivals;
  private keys: Set<string> | undefined;

  /**
   * Guards a socket that is not bound yet.
   *
   * @param onRefused is told of each connection that is refused, and why
   * @throws {Error} where a key cannot be read
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
   * Reads the keys of the clients anew. It counts for connections that are made from now on.
   *
   * @returns how many there are
   * @throws {Error} where one cannot be read; those read before stay in force
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
