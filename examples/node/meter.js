// Meters an account from the command line:  node meter.js SOCKET EMAIL TOKENS

import { PackDb, PackDbError } from "./pack-db.js";

const [socketPath, email, tokens] = process.argv.slice(2);
const db = new PackDb(socketPath);
try {
  const account = await db.call("accounts.get_account_by_email", { email });
  if (account === null) throw new PackDbError("account_not_found", "no account has this address");
  const balance = await db.call("tokens.consume_tokens", [account.id, Number(tokens)]);
  console.log(`${email}: ${balance.token_remaining + balance.topup_remaining} tokens left`);
} catch (error) {
  if (!(error instanceof PackDbError)) throw error;
  console.log(`${email}: ${error.message} (${error.code})`);
  process.exitCode = 1;
} finally {
  db.close();
}
