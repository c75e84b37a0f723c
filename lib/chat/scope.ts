import type { Budget } from "./budget";
import { GLOBALS } from "./globals";
import type { Value } from "./values";

/** The variables of a block; those of the blocks around it are visible too. */
export class Scope {
  readonly budget: Budget;
  readonly #parent: Scope | undefined;
  readonly #variables = new Map<string, Value>();

  constructor(budget: Budget, parent?: Scope) {
    this.budget = budget;
    this.#parent = parent;
  }

  get(name: string): Value {
    if (this.#variables.has(name)) return this.#variables.get(name);
    return this.#parent === undefined ? GLOBALS.get(name) : this.#parent.get(name);
  }

  set(name: string, value: Value): void {
    this.#variables.set(name, value);
  }

  child(): Scope {
    return new Scope(this.budget, this);
  }
}
