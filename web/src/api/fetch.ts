// Requests to /api/v1. Failures become ApiError with the server's own words
// (RFC 9457 problem+json), so that a screen can show what to do.

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
    res = await fetch(`/api/v1${path}`, { ...init, signal: init.signal ?? AbortSignal.timeout(15_000) });
  } catch (err) {
    throw new ApiError(0, `The server was not reached. ${err instanceof Error ? err.message : ''}`.trim());
  }
  if (!res.ok) throw await problem(res);
  return (res.status === 204 ? undefined : await res.json()) as T;
}

export type Query = Record<string, string | number | undefined>;

/** Adds the query parameters that have a value. */
export function withQuery(path: string, query?: Query): string {
  const q = new URLSearchParams();
  for (const [k, v] of Object.entries(query ?? {})) if (v !== undefined && v !== '') q.set(k, String(v));
  const text = q.toString();
  return text ? `${path}?${text}` : path;
}

export const get = <T>(path: string, query?: Query): Promise<T> =>
  ask<T>(withQuery(path, query), { headers: { accept: 'application/json' } });

export const post = <T>(path: string, body: unknown): Promise<T> =>
  ask<T>(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    body: JSON.stringify(body),
  });
