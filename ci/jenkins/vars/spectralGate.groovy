/*
 * A step of a Jenkins shared library: judge a model of an MLflow registry and keep the reports.
 *
 *     spectralGate(source: 'models:/fraud/7', policies: ['policies/production.yaml'])
 *
 * Arguments reach the shell as environment variables only. The step fails the build when a policy blocks
 * (exit code 1) and on everything else that is not a pass; it returns the outcome otherwise.
 */
def call(Map arguments = [:]) {
    if (!arguments.source) {
        error 'spectralGate: source says what to judge, for instance models:/NAME/VERSION'
    }
    String reports = 'gate-report'
    List<String> settings = [
        "GATE_CI_SOURCE=${arguments.source}",
        "GATE_CI_POLICIES=${(arguments.policies ?: ['default']).join('\n')}",
        "GATE_CI_BASELINES=${(arguments.baselines ?: []).join('\n')}",
        "GATE_CI_FAIL_ON=${arguments.failOn ?: 'block'}",
        "GATE_CI_RECORD=${arguments.record ?: 'auto'}",
        "GATE_CI_REPORTS=${reports}",
        "GATE_CI_VERSION=${arguments.version ?: '0.1.0'}",
        "GATE_CI_MLFLOW=${arguments.mlflow ?: 'skinny'}",
    ]
    withEnv(settings) {
        sh label: 'Install the spectral gate', script: '''
            set -eu
            python3 -m venv "$WORKSPACE_TMP/spectral-gate"
            "$WORKSPACE_TMP/spectral-gate/bin/pip" install --quiet --no-deps "mlflow-spectral-gate==$GATE_CI_VERSION"
        '''.stripIndent()
        try {
            sh label: 'Spectral gate', script: '"$WORKSPACE_TMP/spectral-gate/bin/gate-ci-check"'
        } finally {
            junit testResults: "${reports}/junit.xml", allowEmptyResults: true
            archiveArtifacts artifacts: "${reports}/**", allowEmptyArchive: true
        }
    }
    return readFile("${reports}/outcome.env").readLines()[0].split('=', 2)[1]
}
