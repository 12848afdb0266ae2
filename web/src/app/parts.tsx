import { CloseButton } from '@mantine/core';
import type { UseQueryResult } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { type ReactNode, useEffect, useState } from 'react';

/** A page: title, what can be done, the list, and the drawer of the chosen row. */
export function Page({
  title,
  count,
  actions,
  children,
}: {
  title: string;
  count?: number | undefined;
  actions?: ReactNode;
  children: ReactNode;
}) {
  return (
    <div className="page">
      <div className="head">
        <h1>
          {title} {count === undefined ? null : <span>{count}</span>}
        </h1>
        <div className="actions">{actions}</div>
      </div>
      {children}
    </div>
  );
}

/** Shows what a request gave: lines after 300 ms, the failure in words, or the data. */
export function Loaded<T>({
  query,
  children,
}: {
  query: UseQueryResult<T>;
  children: (data: T) => ReactNode;
}) {
  const [slow, setSlow] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setSlow(true), 300);
    return () => clearTimeout(timer);
  }, []);
  if (query.data !== undefined)
    return (
      <>
        {query.isError && <Broken error={query.error} old />}
        {children(query.data)}
      </>
    );
  if (query.isError) return <Broken error={query.error} />;
  return slow ? <div className="skeleton" role="status" aria-label="Loading" /> : null;
}

function Broken({ error, old = false }: { error: Error; old?: boolean }) {
  return (
    <div className="broken" role="alert">
      <b>This list was not reached</b>
      {error.message} {old ? 'What is below is from before.' : ''}
    </div>
  );
}

export function Nothing({ title, children }: { title: string; children: ReactNode }) {
  return (
    <div className="nothing">
      <b>{title}</b>
      {children}
    </div>
  );
}

/** Details beside the list; the list stays. */
export function Side({
  title,
  sub,
  back,
  children,
}: {
  title: string;
  sub?: ReactNode;
  back: string;
  children: ReactNode;
}) {
  const navigate = useNavigate();
  useEffect(() => {
    const onKey = (e: KeyboardEvent) => {
      if (e.key === 'Escape') void navigate({ to: back });
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, [navigate, back]);
  return (
    <aside className="side" aria-label={title}>
      <header>
        <div>
          <h2>{title}</h2>
          {sub && <p>{sub}</p>}
        </div>
        <CloseButton aria-label="Close details" onClick={() => void navigate({ to: back })} />
      </header>
      <div className="scroll">{children}</div>
    </aside>
  );
}

/** Facts as pairs; what is not there is "Not known". */
export function Facts({ rows }: { rows: [string, ReactNode][] }) {
  return (
    <dl>
      {rows.map(([k, v]) => (
        <div key={k}>
          <dt>{k}</dt>
          <dd>{v || <span className="dim">Not known</span>}</dd>
        </div>
      ))}
    </dl>
  );
}
