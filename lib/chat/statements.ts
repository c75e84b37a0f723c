/** Compiles statements to functions that write a template's text. */

import type { CallStatement, For, Node, SetStatement } from "./ast";
import type { Budget } from "./budget";
import { callValue, compileArguments, compileExpression, compileFilter, MAX_NESTING } from "./expressions";
import type { Expression } from "./expressions";
import { failed, unsupported } from "./failure";
import { printed } from "./methods";
import type { Scope } from "./scope";
import { Attributes, Callable, Dict, equals, isTrue, itemsOf, Namespace, Tuple } from "./values";
import type { Arguments, Value } from "./values";

/** What a statement writes, and whether it ends an iteration or the loop around it. */
export interface Output {
  text: string;
  control: "break" | "continue" | undefined;
}

type Statement = (scope: Scope, output: Output) => void;

export function compileBlock(nodes: readonly Node[], depth = 0): Statement {
  if (depth > MAX_NESTING) throw failed(`it is nested more than ${String(MAX_NESTING)} levels deep`);
  const statements = nodes.filter(({ type }) => type !== "Comment").map((node) => compileStatement(node, depth));
  return (scope, output) => {
    for (const statement of statements) {
      scope.budget.step();
      statement(scope, output);
      if (output.control !== undefined) return;
    }
  };
}

function compileStatement(node: Node, depth: number): Statement {
  switch (node.type) {
    case "If": {
      const test = compileExpression(node.test);
      const [body, alternate] = [compileBlock(node.body, depth + 1), compileBlock(node.alternate, depth + 1)];
      return (scope, output) => {
        (isTrue(test(scope)) ? body : alternate)(scope, output);
      };
    }
    case "For":
      return compileFor(node, depth);
    case "Set":
      return compileSet(node, depth);
    case "Macro": {
      const macro = compileMacro(node.name.value, node.args, node.body, depth);
      return (scope) => {
        scope.set(node.name.value, macro(scope));
      };
    }
    case "CallStatement":
      return compileCallBlock(node, depth);
    case "FilterStatement": {
      const [filter, body] = [compileFilter(node.filter), compileBlock(node.body, depth + 1)];
      return (scope, output) => {
        write(output, filter(captured(body, scope.child()), scope), scope.budget);
      };
    }
    case "Break":
    case "Continue": {
      const control = node.type === "Break" ? "break" : "continue";
      return (_, output) => {
        output.control = control;
      };
    }
    default: {
      const expression = compileExpression(node);
      return (scope, output) => {
        write(output, expression(scope), scope.budget);
      };
    }
  }
}

function write(output: Output, value: Value, budget: Budget): void {
  const text = printed(value, budget);
  budget.write(output.text.length + text.length);
  output.text += text;
}

/** The text of a block. A break or continue inside belongs to a loop inside. */
function captured(block: Statement, scope: Scope): string {
  const output: Output = { text: "", control: undefined };
  block(scope, output);
  if (output.control !== undefined) throw failed(`${output.control} is outside of a loop`);
  return output.text;
}

/** Variables set inside an iteration end with it. As in Jinja, the else block runs if no iteration gets to its end. */
function compileFor({ loopvar, iterable, body, defaultBlock }: For, depth: number): Statement {
  const [source, test] = iterable.type === "SelectExpression" ? [iterable.lhs, compileExpression(iterable.test)] : [iterable, undefined];
  const items = compileExpression(source);
  const assign = compileTarget(loopvar);
  const [iteration, otherwise] = [compileBlock(body, depth + 1), compileBlock(defaultBlock, depth + 1)];
  const passes = (scope: Scope, item: Value): boolean => {
    const own = scope.child();
    assign(own, item);
    return test === undefined || isTrue(test(own));
  };
  return (scope, output) => {
    const all = itemsOf(items(scope), scope.budget);
    const kept = test === undefined ? all : all.filter((item) => passes(scope, item));
    let last: Value;
    let isComplete = false;
    for (const [i, item] of kept.entries()) {
      scope.budget.step();
      const own = scope.child();
      own.set(
        "loop",
        loopOf(kept, i, scope.budget, (value) => {
          const changed = i === 0 || !equals(value, last, scope.budget);
          last = value;
          return changed;
        }),
      );
      assign(own, item);
      iteration(own, output);
      const { control } = output;
      output.control = undefined;
      isComplete ||= control === undefined;
      if (control === "break") break;
    }
    if (!isComplete) otherwise(scope.child(), output);
  };
}

/** The variable `loop`. */
function loopOf(items: readonly Value[], i: number, budget: Budget, changed: (value: Value) => boolean): Attributes {
  const { length } = items;
  return new Attributes((name) => {
    switch (name) {
      case "index":
        return i + 1;
      case "index0":
        return i;
      case "revindex":
        return length - i;
      case "revindex0":
        return length - i - 1;
      case "first":
        return i === 0;
      case "last":
        return i === length - 1;
      case "length":
        return length;
      case "previtem":
        return items[i - 1];
      case "nextitem":
        return items[i + 1];
      case "cycle":
        return new Callable(name, (_, { positional }) => positional[i % Math.max(1, positional.length)]);
      case "changed":
        return new Callable(name, (_, { positional }) => changed(new Tuple(positional)));
      case "depth":
      case "depth0":
        throw unsupported(`loop.${name}`);
      default:
        budget.step();
        return undefined;
    }
  });
}

type Assign = (scope: Scope, value: Value) => void;

function compileTarget(node: Node): Assign {
  if (node.type === "Identifier") {
    const name = node.value;
    return (scope, value) => {
      scope.set(name, value);
    };
  }
  if (node.type === "TupleLiteral") {
    const targets = node.value.map(compileTarget);
    return (scope, value) => {
      const items = itemsOf(value, scope.budget);
      if (items.length !== targets.length) throw failed(`${String(items.length)} items are assigned to ${String(targets.length)} names`);
      targets.forEach((target, i) => {
        target(scope, items[i]);
      });
    };
  }
  if (node.type === "MemberExpression" && !node.computed && node.property.type === "Identifier") {
    const object = compileExpression(node.object);
    const name = node.property.value;
    return (scope, value) => {
      const namespace = object(scope);
      if (!(namespace instanceof Namespace)) throw failed(`the attribute ${name} of something else than a namespace is set`);
      if (name.startsWith("_")) throw failed(`the attribute ${name} of a namespace is set`);
      namespace.attributes.set(name, value);
    };
  }
  throw unsupported(`an assignment to ${node.type}`);
}

function compileSet({ assignee, value, body }: SetStatement, depth: number): Statement {
  if (value === null) {
    const [name, filters] = withFilters(assignee);
    const assign = compileTarget(name);
    const block = compileBlock(body, depth + 1);
    return (scope) => {
      let text: Value = captured(block, scope.child());
      for (const filter of filters) text = filter(text, scope);
      assign(scope, text);
    };
  }
  const assign = compileTarget(assignee);
  const expression = compileExpression(value);
  return (scope) => {
    assign(scope, expression(scope));
  };
}

/** {% set name | filter %}…{% endset %} */
function withFilters(node: Node): [Node, ReturnType<typeof compileFilter>[]] {
  if (node.type !== "FilterExpression") return [node, []];
  const [name, filters] = withFilters(node.operand);
  return [name, [...filters, compileFilter(node.filter)]];
}

/** Returns a function that makes the macro, which sees the variables of the block that defines it. */
function compileMacro(name: string, parameters: readonly Node[], body: readonly Node[], depth: number): (scope: Scope) => Callable {
  const named = parameters.map(compileParameter);
  const names = new Set(named.map((parameter) => parameter.name));
  const block = compileBlock(body, depth + 1);
  // As in Jinja, further arguments are accepted only by a macro that uses them.
  const mentions = (variable: string): boolean => JSON.stringify(body).includes(`"Identifier","value":"${variable}"`);
  const [takesMore, takesNamed, takesCaller] = ["varargs", "kwargs", "caller"].map(mentions);
  return (defined) =>
    new Callable(name, (_, { positional, named: given }) => {
      const scope = defined.child();
      if (positional.length > named.length && takesMore !== true) throw failed(`the macro ${name} gets too many arguments`);
      const others = [...given].filter(([key]) => !names.has(key));
      const caller = others.find(([key]) => key === "caller")?.[1];
      const rest = others.filter(([key]) => key !== "caller");
      if (rest.length > 0 && takesNamed !== true) throw failed(`the macro ${name} gets the unknown argument ${rest[0]?.[0] ?? ""}`);
      if (caller !== undefined && takesCaller !== true) throw failed(`the macro ${name} gets a block and does not use it`);
      scope.set("caller", caller);
      scope.set("varargs", new Tuple(positional.slice(named.length)));
      scope.set("kwargs", new Dict(rest));
      for (const [i, parameter] of named.entries()) {
        const value = i < positional.length ? positional[i] : given.get(parameter.name);
        const isGiven = i < positional.length || given.has(parameter.name);
        scope.set(parameter.name, isGiven ? value : parameter.otherwise?.(scope));
      }
      return captured(block, scope);
    });
}

function compileParameter(node: Node): { readonly name: string; readonly otherwise: Expression | undefined } {
  if (node.type === "Identifier") return { name: node.value, otherwise: undefined };
  if (node.type !== "KeywordArgumentExpression") throw unsupported(`the parameter ${node.type}`);
  return { name: node.key.value, otherwise: compileExpression(node.value) };
}

function compileCallBlock({ call, callerArgs, body }: CallStatement, depth: number): Statement {
  const callee = compileExpression(call.callee);
  const args = compileArguments(call.args);
  const caller = compileMacro("caller", callerArgs ?? [], body, depth);
  return (scope, output) => {
    const { positional, named } = args(scope);
    const withCaller: Arguments = { positional, named: new Map([...named, ["caller", caller(scope)]]) };
    write(output, callValue(callee(scope), withCaller, scope), scope.budget);
  };
}
