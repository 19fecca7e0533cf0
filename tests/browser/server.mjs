// The product, started as a newcomer starts it, on a free port and with a store of its own.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

export class Server {
  #directory = mkdtempSync(join(tmpdir(), "trucustom-"));
  #process;

  constructor(program) {
    this.program = program;
  }

  // Starts it; the first start tells the management key.
  async start() {
    const environment = {
      ...process.env,
      LISTEN: "127.0.0.1:0",
      STORE: join(this.#directory, "trucustom.db"),
    };
    this.#process = spawn(this.program, [], {
      env: environment,
      stdio: ["ignore", "pipe", "inherit"],
    });
    for await (const line of createInterface({ input: this.#process.stdout })) {
      this.key ??= line.match(/^ {2}(tc_[0-9a-f]{64})$/)?.[1];
      const base = line.match(/^Listening on (http:\S+)\. /)?.[1];
      if (base) {
        this.base = base;
        return;
      }
    }
    throw new Error("the server ended before it listened");
  }

  // Ends it as a loss of power does.
  async kill() {
    const ended = new Promise((resolve) => this.#process.once("exit", resolve));
    this.#process.kill("SIGKILL");
    await ended;
  }

  async remove() {
    await this.kill();
    rmSync(this.#directory, { recursive: true });
  }

  // How much memory the process holds, in MiB; undefined where the system does not tell.
  residentMemory() {
    const path = `/proc/${this.#process.pid}/status`;
    const kib = existsSync(path) && readFileSync(path, "utf8").match(/^VmRSS:\s+(\d+) kB$/m)?.[1];
    return kib ? Math.round(kib / 1024) : undefined;
  }

  // The status of a request to the product API.
  async status(key, method = "GET") {
    const url = `${this.base}/api/v1/products`;
    return (await fetch(url, { method, headers: { "x-api-key": key } })).status;
  }
}
