// Requests to /api/v1, typed by the server's own OpenAPI document. Failures
// become ApiError with the server's own words (RFC 9457 problem+json), so that
// a screen can show what to do.

import type { paths } from './schema';

export class ApiError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

interface ProblemBody {
  title?: string;
  detail?: string;
  errors?: { message?: string; location?: string }[];
}

async function problem(res: Response): Promise<ApiError> {
  let words = `The server answered ${res.status}.`;
  try {
    const body = (await res.json()) as ProblemBody;
    const parts = (body.errors ?? []).map((e) => [e.location, e.message].filter(Boolean).join(': '));
    words = [body.detail ?? body.title, ...parts].filter(Boolean).join(' ') || words;
  } catch {
    // not JSON: the status has to do
  }
  return new ApiError(res.status, words);
}

async function ask<T>(path: string, init: RequestInit): Promise<T> {
  let res: Response;
  try {
    res = await fetch(`/api/v1${path}`, { ...init, signal: AbortSignal.timeout(15_000) });
  } catch (err) {
    throw new ApiError(0, `The server was not reached. ${err instanceof Error ? err.message : ''}`.trim());
  }
  if (!res.ok) throw await problem(res);
  return (res.status === 204 ? undefined : await res.json()) as T;
}

type Responding = { responses: { 200: { content: { 'application/json': unknown } } } };
type With<M extends 'get' | 'post'> = {
  [P in keyof paths]: paths[P] extends Record<M, Responding> ? P : never;
}[keyof paths];
type Operation<P extends keyof paths, M extends 'get' | 'post'> =
  paths[P] extends Record<M, infer O> ? O : never;
type Answer<O> = O extends { responses: { 200: { content: { 'application/json': infer T } } } } ? T : never;
type Asking<O> = O extends { requestBody?: { content: { 'application/json': infer B } } } ? B : never;
type QueryOf<O> = O extends { parameters: { query?: infer Q } } ? Q : never;

interface Filled {
  /** What stands for {id} or {name} in the path. */
  id?: string;
}

/** Fills {id} or {name}, and adds the query parameters that have a value. */
export function address(path: string, id?: string, query?: object): string {
  const q = new URLSearchParams();
  for (const [k, v] of Object.entries(query ?? {})) {
    const text = Array.isArray(v) ? v.join(',') : String(v ?? '');
    if (text) q.set(k, text);
  }
  const filled = path.replace(/\{\w+\}/, encodeURIComponent(id ?? ''));
  const text = q.toString();
  return text ? `${filled}?${text}` : filled;
}

/** Reads a resource. */
export const get = <P extends With<'get'>>(
  path: P,
  at: Filled & { query?: QueryOf<Operation<P, 'get'>> } = {},
): Promise<Answer<Operation<P, 'get'>>> =>
  ask(address(path, at.id, at.query as object | undefined), { headers: { accept: 'application/json' } });

/** Changes something. */
export const post = <P extends With<'post'>>(
  path: P,
  at: Filled & { body?: Asking<Operation<P, 'post'>> } = {},
): Promise<Answer<Operation<P, 'post'>>> =>
  ask(address(path, at.id), {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    body: JSON.stringify(at.body ?? {}),
  });
