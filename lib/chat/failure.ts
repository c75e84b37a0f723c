/** Why a template cannot be compiled or rendered; index.ts turns it into an error of the package. */
export class TemplateFailure extends Error {
  /** Whether the template uses something that is not implemented; otherwise it is wrong, raises, or exceeds a limit. */
  readonly unsupported: boolean;

  constructor(message: string, unsupported = false) {
    super(message);
    this.unsupported = unsupported;
  }
}

/** Quoted in messages, so cut. */
const SHOWN = 200;

export function failed(message: string): TemplateFailure {
  return new TemplateFailure(message.slice(0, SHOWN));
}

export function unsupported(what: string): TemplateFailure {
  return new TemplateFailure(`${what.slice(0, SHOWN)} is not supported`, true);
}
