// A client of pack-db for Node.js: docs/protocol.md in code. Linux, Node.js 20 or newer.

import { randomBytes } from "node:crypto";
import { decode, encode } from "@msgpack/msgpack";
import { Request } from "zeromq";

const VERSION = 1;
const MAX_MESSAGE_BYTES = 262_144;
const FIRST_RESEND_MS = 1000; // doubled each time: the daemon may be busy, not gone

/** What a call failed with. `code` is one of docs/protocol.md, or of this client:
 * `not_sent` (nothing was done) or `outcome_unknown` (a write may have been done or not). */
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
  #timeoutMs;

  /** @param {string} socketPath where the daemon listens
   * @param {number} timeoutMs what a call may take, at most 600,000 */
  constructor(socketPath, { timeoutMs = 5000 } = {}) {
    this.#timeoutMs = timeoutMs;
    this.#socket = new Request({
      relaxed: true, // a message may be sent again without its reply,
      correlate: true, // and only the last copy's reply is taken
      immediate: true, // without a connection nothing is queued
      linger: 0,
      reconnectInterval: 10,
    });
    this.#socket.connect(`ipc://${socketPath}`);
  }

  /** The value of one call, such as `call("tokens.get_balance", [id])`. The arguments are an array,
   * or an object by name. Throws PackDbError. */
  async call(method, args = []) {
    const [result] = await this.batch([[method, args]]);
    if (result instanceof PackDbError) throw result;
    return result;
  }

  /** Several calls in one message and one commit. Gives a value or a PackDbError for each; throws
   * PackDbError when the message failed as a whole. */
  batch(calls) {
    const deadline = process.hrtime.bigint() + BigInt(this.#timeoutMs) * 1_000_000n;
    const results = this.#turn.then(() => this.#deliver(calls, deadline));
    this.#turn = results.catch(() => {});
    return results;
  }

  close() {
    this.#socket.close();
  }

  async #deliver(calls, deadline) {
    const sequence = ++this.#sequence;
    // A retry is these very bytes: by client id and sequence the daemon does them once.
    const message = encode([VERSION, this.#clientId, sequence, deadline, calls], {
      useBigInt64: true, // a number above 2^53 would travel as a float, which is refused
    });
    if (message.length > MAX_MESSAGE_BYTES) {
      throw new PackDbError("not_sent", `the message has ${message.length} bytes, too many`);
    }
    for (let copies = 1, resendMs = FIRST_RESEND_MS; ; copies++, resendMs *= 2) {
      this.#socket.sendTimeout = remainingMs(deadline);
      if (!(await inTime(this.#socket.send(message)))) throw notAnswered(copies - 1);
      const resendAt = process.hrtime.bigint() + BigInt(resendMs) * 1_000_000n;
      const results = await this.#receive(sequence, resendAt < deadline ? resendAt : deadline);
      if (results) return outcome(results, calls.length, copies);
      if (remainingMs(deadline) === 0) throw notAnswered(copies);
    }
  }

  async #receive(sequence, until) {
    for (;;) {
      this.#socket.receiveTimeout = remainingMs(until);
      const frames = await inTime(this.#socket.receive());
      if (!frames) return undefined;
      const [version, answered, results] = decode(frames[0]);
      if (version !== VERSION) throw new PackDbError("unsupported_version", `version ${version}`);
      if (answered === sequence || answered === 0) return results; // 0: ours was unreadable
    }
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
