// A client of pack-db for Node.js: docs/protocol.md in code. Linux, Node.js 20 or newer.

import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { decode, encode } from "@msgpack/msgpack";
import { Request } from "zeromq";

const VERSION = 1;
const MAX_MESSAGE_BYTES = 262_144; // the default; `daemon.status` tells the daemon's
const FIRST_PAUSE_MS = 10; // before connecting again; doubled each time, up to
const LONGEST_PAUSE_MS = 1000; // for a daemon that has as many connections as it can
const CLOCKS_APART_NS = 1_000_000_000n;
const LOST = Symbol("the connection is lost");

/** What a call failed with. `code` is one of docs/protocol.md, or of this client:
 * `not_sent` (nothing was done), `outcome_unknown` (a write may have been done or not) or
 * `clocks_differ` (the daemon is in another time namespace: deadlines mean nothing). */
export class PackDbError extends Error {
  constructor(code, message, details = {}) {
    super(message);
    this.name = "PackDbError";
    this.code = code;
    this.details = details;
  }
}

export class PackDb {
  #clientId = randomBytes(16); // what the daemon knows this object by
  #sequence = 0;
  #turn = Promise.resolve(); // of the message under way: there is one at a time
  #socket;
  #lost; // resolves to LOST when the socket's connection is
  #isLost = true;
  #path;
  #timeoutMs;

  /** @param {string} socketPath where the daemon listens
   * @param {number} timeoutMs what a call may take, at most 600,000 */
  constructor(socketPath, { timeoutMs = 5000 } = {}) {
    this.#path = socketPath;
    this.#timeoutMs = timeoutMs;
  }

  /** The value of one call, such as `call("tokens.get_balance", [id])`. The arguments are an array,
   * or an object by name. Throws PackDbError. */
  async call(method, args = []) {
    const [result] = await this.batch([[method, args]]);
    if (result instanceof PackDbError) throw result;
    return result;
  }

  /** Several calls in one message and one commit, as far as the daemon does so many at a time.
   * Gives a value or a PackDbError for each; throws PackDbError when none was done. */
  batch(calls) {
    const deadline = process.hrtime.bigint() + BigInt(this.#timeoutMs) * 1_000_000n;
    const results = this.#turn.then(() => this.#doAll(calls, deadline));
    this.#turn = results.catch(() => {});
    return results;
  }

  close() {
    this.#socket?.close();
    this.#socket = undefined;
    this.#isLost = true;
  }

  async #doAll(calls, deadline) {
    const values = [];
    while (values.length < calls.length) {
      const rest = calls.slice(values.length);
      try {
        const answered = await this.#deliver(rest, deadline);
        const done = answered.findIndex((value) => value?.code === "not_started");
        values.push(...(done < 0 ? answered : answered.slice(0, done)));
      } catch (error) {
        if (!values.length || !(error instanceof PackDbError)) throw error;
        values.push(...rest.map(() => error));
      }
    }
    return values;
  }

  async #deliver(calls, deadline) {
    const sequence = ++this.#sequence;
    const began = process.hrtime.bigint();
    // A copy is these very bytes: by client id and sequence the daemon does them once.
    const message = encode([VERSION, this.#clientId, sequence, deadline, wide(calls)], {
      useBigInt64: true, // only what is a BigInt then travels as a 64-bit integer
    });
    if (message.length > MAX_MESSAGE_BYTES) {
      throw new PackDbError("not_sent", `the message has ${message.length} bytes, too many`);
    }
    // Sent again only when the connection was lost: never because time passes, which would have a
    // busy daemon do everything several times, and throw away the answer that was on its way.
    for (let copies = 0, pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
      if (this.#isLost) this.#connect();
      if (!(await this.#send(message, deadline))) throw notAnswered(copies);
      copies++;
      const answer = this.#receive(sequence, deadline);
      answer.catch(() => {}); // of a socket that is closed meanwhile
      const reply = await Promise.race([answer, this.#lost]);
      if (Array.isArray(reply)) {
        checkClock(reply[3], began);
        return outcome(narrow(reply[2]), calls.length, copies);
      }
      this.close(); // a REQ socket that misses its reply cannot send again
      if (reply !== LOST) throw notAnswered(copies);
      await sleep(Math.min(pauseMs, remainingMs(deadline)));
    }
  }

  #connect() {
    this.close();
    const socket = new Request({
      immediate: true, // without a connection nothing is queued
      linger: 0,
      reconnectInterval: 10, // until there is a daemon
    });
    this.#lost = new Promise((resolve) => {
      socket.events.on("disconnect", () => {
        if (socket === this.#socket) this.#isLost = true;
        resolve(LOST);
      });
    });
    socket.connect(`ipc://${this.#path}`);
    this.#socket = socket;
    this.#isLost = false;
  }

  // Timeouts of zeromq.js may end early, by as long as the program was busy before.

  async #send(message, until) {
    while (remainingMs(until) > 0) {
      this.#socket.sendTimeout = remainingMs(until);
      if (await inTime(this.#socket.send(message))) return true;
    }
    return false;
  }

  async #receive(sequence, until) {
    const socket = this.#socket;
    while (remainingMs(until) > 0) {
      socket.receiveTimeout = remainingMs(until);
      const frames = await inTime(socket.receive());
      if (!frames) continue;
      const reply = decode(frames[0], { useBigInt64: true });
      const [version, answered] = reply;
      if (version !== VERSION) throw new PackDbError("unsupported_version", `version ${version}`);
      if (Number(answered) === sequence || answered === 0) return reply; // 0: ours was unreadable
    }
    return undefined;
  }
}

/** Integers of more than 32 bits as BigInt: as numbers they would travel as floats, which are
 * refused. A Date as its text. */
function wide(value) {
  if (value instanceof Date) return value.toISOString();
  if (Number.isSafeInteger(value) && Math.abs(value) >= 2 ** 31) return BigInt(value);
  return mapped(value, wide);
}

/** The other way round, where a number can hold it; what is larger stays a BigInt. */
function narrow(value) {
  if (typeof value !== "bigint") return mapped(value, narrow);
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function mapped(value, change) {
  if (Array.isArray(value)) return value.map(change);
  if (value == null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, change(inner)]));
}

function checkClock(clock, began) {
  const earliest = began - CLOCKS_APART_NS;
  const latest = process.hrtime.bigint() + CLOCKS_APART_NS;
  if (clock && (BigInt(clock) < earliest || BigInt(clock) > latest)) { // 0: it is not told
    throw new PackDbError("clocks_differ", "the daemon is in another time namespace");
  }
}

/** What a socket's promise gives; undefined when its timeout has passed. */
async function inTime(promise) {
  try {
    return (await promise) ?? true;
  } catch (error) {
    if (error.code === "EAGAIN") return undefined;
    throw error;
  }
}

function remainingMs(until) {
  const left = until - process.hrtime.bigint();
  return left > 0n ? Number(left / 1_000_000n) + 1 : 0;
}

function outcome(results, callCount, copies) {
  const values = results.map(([code, ...rest]) =>
    code === 0 ? rest[0] : new PackDbError(code, ...rest),
  );
  const [first] = values;
  const aboutOneCopy = /^(deadline_passed|storage_.*)$/.test(first?.code);
  if (copies > 1 && aboutOneCopy) throw unknown(first.message); // an earlier one may have been done
  if (values.length !== callCount) throw first; // refused as a whole
  return values;
}

function unknown(reason) {
  return new PackDbError("outcome_unknown", `${reason}; a write may have been done or not`);
}

function notAnswered(copies) {
  return copies === 0
    ? new PackDbError("not_sent", "no daemon took the message; nothing was done")
    : unknown("no answer in time");
}
