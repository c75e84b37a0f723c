/** Compiles expressions to functions of the variables. */

import type { BinaryExpression, CallExpression, Node } from "./ast";
import { failed, unsupported } from "./failure";
import { filterNamed, testNamed } from "./filters";
import { attributeOf, itemOf, requireText } from "./methods";
import { COMPARISONS, negative, operatorNamed, slice } from "./operators";
import type { Scope } from "./scope";
import { Callable, Dict, Float, integer, isTrue, itemsOf, keyOf, numberOf, Tuple, typeOf } from "./values";
import type { Arguments, Value } from "./values";

export type Expression = (scope: Scope) => Value;

/** Depth of nested syntax. */
export const MAX_NESTING = 200;

export function compileExpression(node: Node, depth = 0): Expression {
  if (depth > MAX_NESTING) throw failed(`it is nested more than ${String(MAX_NESTING)} levels deep`);
  const compile = (child: Node): Expression => compileExpression(child, depth + 1);
  switch (node.type) {
    case "StringLiteral":
      return constant(String(node.value));
    case "IntegerLiteral":
      return constant(integer(Number(node.value)));
    case "FloatLiteral":
      return constant(new Float(Number(node.value)));
    case "ArrayLiteral":
    case "TupleLiteral":
      return compileSequence(node.type, node.value.map(compile));
    case "ObjectLiteral":
      return compileObject([...node.value].map(([key, value]) => [compile(key), compile(value)]));
    case "Identifier":
      return (scope) => scope.get(node.value);
    case "MemberExpression": {
      const object = compile(node.object);
      if (node.property.type === "SliceExpression") {
        const { start, stop, step } = node.property;
        const [from, to, by] = [start, stop, step].map((part) => (part === undefined ? constant(undefined) : compile(part)));
        return (scope) => slice(object(scope), from?.(scope), to?.(scope), by?.(scope), scope.budget);
      }
      if (!node.computed && node.property.type === "Identifier") {
        const name = node.property.value;
        return (scope) => attributeOf(object(scope), name);
      }
      const property = compile(node.property);
      return (scope) => itemOf(object(scope), property(scope), scope.budget);
    }
    case "CallExpression":
      return compileCall(node, depth);
    case "UnaryExpression":
      return compileUnary(node.operator.value, compile(node.argument));
    case "BinaryExpression":
      return compileBinary(node, compile(node.left), compile(node.right));
    case "FilterExpression": {
      const operand = compile(node.operand);
      const filter = compileFilter(node.filter, depth + 1);
      return (scope) => filter(operand(scope), scope);
    }
    case "TestExpression": {
      const operand = compile(node.operand);
      const test = testNamed(node.test.value);
      return (scope) => test(operand(scope), [], scope.budget) !== node.negate;
    }
    case "SelectExpression": {
      const [value, test] = [compile(node.lhs), compile(node.test)];
      return (scope) => (isTrue(test(scope)) ? value(scope) : undefined);
    }
    case "Ternary": {
      const [condition, whenTrue, whenFalse] = [compile(node.condition), compile(node.trueExpr), compile(node.falseExpr)];
      return (scope) => (isTrue(condition(scope)) ? whenTrue(scope) : whenFalse(scope));
    }
    default:
      throw unsupported(`${node.type} inside an expression`);
  }
}

function constant(value: Value): Expression {
  return () => value;
}

function compileSequence(type: "ArrayLiteral" | "TupleLiteral", items: readonly Expression[]): Expression {
  return (scope) => {
    scope.budget.step(items.length);
    const values = items.map((item) => item(scope));
    return type === "ArrayLiteral" ? values : new Tuple(values);
  };
}

function compileObject(entries: readonly (readonly [Expression, Expression])[]): Expression {
  return (scope) => {
    scope.budget.step(entries.length);
    return new Dict(entries.map(([key, value]) => [keyOf(key(scope)), value(scope)]));
  };
}

/** The callee and the arguments are evaluated before the call. */
function compileCall(node: CallExpression, depth: number): Expression {
  const callee = compileExpression(node.callee, depth + 1);
  const args = compileArguments(node.args, depth + 1);
  return (scope) => callValue(callee(scope), args(scope), scope);
}

export function callValue(callee: Value, args: Arguments, { budget }: Scope): Value {
  if (!(callee instanceof Callable)) throw failed(`${typeOf(callee)} cannot be called`);
  budget.step();
  return budget.nested(() => callee.call(budget, args));
}

export function compileArguments(nodes: readonly Node[], depth = 0): (scope: Scope) => Arguments {
  type Add = (scope: Scope, positional: Value[], named: Map<string, Value>) => void;
  const adds = nodes.map((node): Add => {
    if (node.type === "KeywordArgumentExpression") {
      const value = compileExpression(node.value, depth + 1);
      return (scope, _, named) => named.set(node.key.value, value(scope));
    }
    const value = compileExpression("argument" in node && node.type !== "UnaryExpression" ? node.argument : node, depth + 1);
    switch (node.type) {
      case "SpreadExpression":
        return (scope, positional) => positional.push(...itemsOf(value(scope), scope.budget));
      case "KeywordSpreadExpression":
        return (scope, _, named) => {
          const dict = value(scope);
          if (!(dict instanceof Dict)) throw failed(`${typeOf(dict)} cannot be spread into named arguments`);
          scope.budget.step(dict.entries.size);
          for (const [key, item] of dict.entries) named.set(requireText(key, "a name"), item);
        };
      default:
        return (scope, positional) => positional.push(value(scope));
    }
  });
  return (scope) => {
    const positional: Value[] = [];
    const named = new Map<string, Value>();
    for (const add of adds) add(scope, positional, named);
    return { positional, named };
  };
}

/** A filter's name, or a call of it. */
export function compileFilter(node: Node, depth = 0): (value: Value, scope: Scope) => Value {
  const [name, args] = node.type === "CallExpression" ? [node.callee, node.args] : [node, []];
  if (name.type !== "Identifier") throw unsupported("a filter that is not a name");
  const filter = filterNamed(name.value);
  const values = compileArguments(args, depth);
  return (value, scope) => {
    scope.budget.step();
    return filter(value, values(scope), scope.budget);
  };
}

function compileUnary(operator: string, argument: Expression): Expression {
  switch (operator) {
    case "not":
      return (scope) => !isTrue(argument(scope));
    case "-":
      return (scope) => negative(argument(scope));
    case "+":
      return (scope) => {
        const value = argument(scope);
        if (numberOf(value) === undefined) throw failed(`+ cannot be applied to ${typeOf(value)}`);
        return typeof value === "boolean" ? Number(value) : value;
      };
    default:
      throw unsupported(`the operator ${operator}`);
  }
}

function compileBinary({ operator: { value: name }, left: first }: BinaryExpression, left: Expression, right: Expression): Expression {
  if (name === "and" || name === "or") {
    return (scope) => {
      const value = left(scope);
      return isTrue(value) === (name === "and") ? right(scope) : value;
    };
  }
  const before = first.type === "BinaryExpression" ? first.operator.value : "";
  // The parser does not tell a < b < c, which Jinja reads as a < b and b < c, from (a < b) < c.
  if (COMPARISONS.has(name) && COMPARISONS.has(before)) throw unsupported("a chain of comparisons");
  // Nor a + b ~ c, where ~ binds more tightly, from (a + b) ~ c, which is the same for texts.
  const onlyTexts = name === "~" && ["+", "-"].includes(before);
  const operator = operatorNamed(name);
  return (scope) => {
    scope.budget.step();
    const value = left(scope);
    if (onlyTexts && typeof value !== "string") throw unsupported("+ or - of other values than texts before ~");
    return operator(value, right(scope), scope.budget);
  };
}
