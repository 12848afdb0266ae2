import { ActionIcon, useMantineColorScheme } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link, Outlet } from '@tanstack/react-router';
import { useLayoutEffect, useSyncExternalStore } from 'react';
import { get } from '../api/fetch';
import { clock } from '../clinical/age';
import { Icon, type IconName, Logo } from '../icons';

const entries: [to: string, icon: IconName, word: string][] = [
  ['/devices', 'device-heart-monitor', 'Devices'],
  ['/patients', 'users', 'Patients'],
  ['/quarantine', 'package-off', 'Quarantine'],
  ['/profiles', 'file-text', 'Profiles'],
  ['/system', 'activity-heartbeat', 'System'],
];

export function Shell() {
  return (
    <div className="app">
      <a className="skip" href="#main">
        Skip to the page
      </a>
      <nav className="rail" aria-label="Rooms">
        <a className="logo" href="/wall" aria-label="Ward wall">
          <Logo />
        </a>
        <a href="/wall">
          <Icon name="layout-grid" />
          Wall
        </a>
        {entries.map(([to, icon, word]) => (
          <Link key={to} to={to} activeProps={{ 'aria-current': 'page' }}>
            <Icon name={icon} />
            {word}
          </Link>
        ))}
      </nav>
      <TopBar />
      <main id="main" tabIndex={-1}>
        <Outlet />
      </main>
    </div>
  );
}

const dark = matchMedia('(prefers-color-scheme: dark)');
const watchDark = (f: () => void) => {
  dark.addEventListener('change', f);
  return () => dark.removeEventListener('change', f);
};

function TopBar() {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const night = useSyncExternalStore(watchDark, () => dark.matches);
  const scheme = colorScheme === 'auto' ? (night ? 'dark' : 'light') : colorScheme;
  useLayoutEffect(() => {
    document.documentElement.dataset.theme = scheme;
  }, [scheme]);
  return (
    <header className="top">
      <ServerLamp />
      <ActionIcon
        variant="subtle"
        color="ink"
        size={32}
        aria-label={scheme === 'dark' ? 'Light theme' : 'Dark theme'}
        onClick={() => setColorScheme(scheme === 'dark' ? 'light' : 'dark')}
      >
        <Icon name={scheme === 'dark' ? 'sun' : 'moon'} />
      </ActionIcon>
    </header>
  );
}

/** Whether the server answers, and its clock. */
function ServerLamp() {
  const q = useQuery({
    queryKey: ['system'],
    queryFn: () => get('/system'),
    refetchInterval: 2_000,
    retry: false,
  });
  if (q.isError)
    return (
      <span className="lamp" role="status">
        <i className="off" />
        <b>Offline</b> {q.dataUpdatedAt ? `since ${clock(q.dataUpdatedAt)}` : ''}
      </span>
    );
  return (
    <span className="lamp" role="status">
      <i className={q.data ? 'live' : ''} />
      <b>{q.data ? 'Connected' : 'Connecting'}</b>
      {q.data?.demo ? <span className="demo">demo, nothing here is real</span> : null}
      {q.data ? <time aria-hidden="true">{clock(Date.parse(q.data.time))}</time> : null}
    </span>
  );
}
